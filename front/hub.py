"""The front's core: what clients say becomes messages for the bus, what the bus says becomes frames for clients.

Nothing here awaits, reads a clock or touches a socket; ``server`` feeds it and carries what it makes. Whatever is asked
is remembered until it is answered, so the bus may lose anything at any time.
"""

from collections import deque
from collections.abc import Collection, Iterable, Iterator, Sequence

from broker.bus import Missed, News
from broker.messages import (
    Action,
    Commit,
    Denied,
    FrontMessage,
    Gone,
    Lead,
    Opened,
    Outcome,
    Parcel,
    Recheck,
    Renew,
    Renewed,
    Snapshot,
)
from broker.registry import RENEW, Changes
from broker.traces import Traces
from broker.trail import Trail

from .clients import PATIENCE, Client, Rope, Subscription, Unanswered, Wire, frames_of
from .codes import BUSY, TOO_MANY_SUBSCRIPTIONS
from .deflate import Deflater
from .frames import Dispatch, Subscribe, Unsubscribe, build, outcome, unsubscribed
from .gates import Identity
from .metrics import Metrics, Standing
from .openings import Openings, asked_for
from .outbox import Outbox
from .registration import Registration
from .rounds import Rounds
from .rules import Rules
from .store_cache import Position
from .stores import Stores

PARCEL = 64
"""Messages in one parcel at most: the multiplexer's batches are about as long."""

PARCEL_BYTES = 262_144
"""A parcel that has so many bytes of parameters takes no further message: a full bus has to fit in Redis."""

MOST_QUEUED = 200_000
"""Messages that wait for the bus at most."""

MOST_UNDER_WAY, MOST_UNDER_WAY_BYTES = 50_000, 64 * 1024 * 1024
"""Actions of all connections under way at most, and what they may weigh (§6, ``busy``)."""

FRESH = 6.0
"""A multiplexer that has not been heard for so many seconds does not count as there."""


ASK_AGAIN = 600.0
"""Everybody is asked for anew once in so many seconds, wherever reading is a matter of who it is."""


OUT_OF_TURN = {"number_gap", "client_expired"}
"""What an action is told that came before an earlier one; the second when that earlier one was the client's first."""


class Hub:
    """Everything one front knows.

    Args:
        front: This process's id, of its own choosing.
        rules: How much is allowed; a front's defaults if left out.
        trail: What is logged of actions; nothing if left out.
        traces: Where spans of actions go; nowhere if left out.

    """

    __slots__ = (
        "_answered_at",
        "_busy",
        "_bytes",
        "_clients",
        "_count",
        "_deflater",
        "_heard_at",
        "_lost",
        "_numbers",
        "_openings",
        "_outbox",
        "_queue",
        "_registration",
        "_renew_at",
        "_resend",
        "_rounds",
        "_rules",
        "_stores",
        "_traces",
        "_trail",
        "_waiting",
        "front",
        "full",
        "metrics",
        "unregistered",
    )

    def __init__(
        self, *, front: str, rules: Rules | None = None, trail: Trail | None = None, traces: Traces | None = None
    ) -> None:
        self.front = front
        self._trail = trail
        self._traces = traces
        self.metrics = Metrics()
        self._rules = rules or Rules()
        self._outbox = Outbox()
        self._queue: deque[FrontMessage] = deque()
        self._registration = Registration()
        self._stores = Stores(outbox=self._outbox, ask=self._put, registration=self._registration)
        self._openings = Openings()
        self._waiting: dict[str, deque[tuple[Subscription, str, str]]] = {}  # by actor, who opens too many
        self._deflater = Deflater()
        self._clients: dict[int, Client] = {}
        self._numbers = 0
        self._busy: dict[Client, None] = {}  # who waits for outcomes
        self._resend: dict[Client, None] = {}  # whose actions were found missing
        self._count = self._bytes = 0  # of all actions under way
        self._rounds = Rounds(ASK_AGAIN)
        self._answered_at = float("-inf")
        self._lost = False
        self.full = False
        """Whether the action bus takes no parcel now."""
        self.unregistered = True
        """Whether the registry has to be told :meth:`everything`."""
        self._heard_at = float("-inf")
        self._renew_at = float("-inf")

    # Clients.

    def opened(self, identity: Identity, client_id: str, *, wire: Wire, window: int) -> Client:
        """A connection was let in.

        Args:
            identity: Who it speaks for.
            client_id: The client's own id.
            wire: Kept for whoever carries :meth:`writes`.
            window: Window bits of what it takes compressed; 0: nothing.

        """
        self._numbers += 1
        client = Client(self._numbers, identity, client_id, {}, None, wire, window)
        self._clients[client.number] = client
        self._registration.arrive(identity.actor)
        return client

    def receive(self, client: Client, frame: Subscribe | Unsubscribe | Dispatch, now: float) -> None:
        """A client said something. See whether it has ``failed`` by that."""
        if isinstance(frame, Dispatch):
            self._dispatch(client, frame, now)
        elif isinstance(frame, Subscribe):
            self._subscribe(client, frame, now)
        else:
            for subscription_id in frame.ids:
                subscription = client.subscriptions.pop(subscription_id, None)
                if subscription is not None:
                    self._stores.release(subscription, now)

    def send(self, client: Client, data: bytes) -> None:
        """Put ready bytes among what a client gets of this tick."""
        self._outbox.send(client, data)

    def blocked(self, client: Client) -> None:
        """A client's socket takes no more; say so when it has :meth:`drained`."""
        self.metrics.blocked += 1
        self._stores.blocked(client)

    def drained(self, client: Client, now: float) -> None:
        """A client's socket takes frames again."""
        self._stores.drained(client, now)

    def closed(self, client: Client, now: float) -> None:
        """A connection is gone. Its actions went out once; it sends them again when it comes back."""
        for subscription in client.subscriptions.values():
            self._stores.release(subscription, now)
        client.subscriptions.clear()
        if self._clients.pop(client.number, None) is not None:
            self._registration.depart(client.identity.actor)
        self._busy.pop(client, None)
        if client.unanswered is not None:
            self._count -= client.unanswered.count
            self._bytes -= client.unanswered.bytes
            client.unanswered.abandon()
            client.unanswered = None
        self._resend.pop(client, None)

    def public(self, name: str, params: str) -> bool:
        """Whether a store that was just read is for everybody, whoever asks."""
        return self._openings.public(name, params)

    def standing(self) -> Standing:
        """What there is just now; looks at every client."""
        clients = self._clients.values()
        return Standing(
            clients=len(clients),
            subscriptions=sum(len(client.subscriptions) for client in clients),
            stores=len(self._stores),
            blocked=sum(client.blocked for client in clients),
            queued=len(self._queue),
            under_way=self._count,
        )

    # The bus.

    def take_run(self, run: Sequence[News], now: float) -> None:
        """The multiplexer said something, or several things about one store (``runs``)."""
        if len(run) == 1:
            self.take(run[0], now)
        else:
            self.metrics.updates += len(run)
            self._stores.take_chain(
                [update for commit in run if isinstance(commit, Commit) for update in commit.updates], now
            )

    def take(self, message: News, now: float) -> None:  # noqa: C901, PLR0912 - one case a message
        """The multiplexer said something."""
        match message:
            case Commit():
                self.metrics.updates += len(message.updates)
                self._stores.take_updates(message.updates, now)
            case Outcome():
                self._answer(message, now)
            case Snapshot():
                self._stores.take_snapshot(message, now)
            case Opened():
                answered = self._openings.opened(message, now)
                for subscription in answered.subscriptions:
                    if subscription.wanted:
                        self._stores.hold(subscription, message.key, now)
                self._put_all(answered.questions)
            case Denied():
                answered = self._openings.denied(message, now)
                for subscription in answered.subscriptions:
                    self.metrics.refuse(message.error.code)
                    self._stores.refuse(subscription, message.error, now)
                self._put_all(answered.questions)
            case Gone():
                self._stores.take_gone(message, now)
            case Recheck():
                self._recheck(message.key, now)
            case Renewed():
                self._heard_at = now
                if self._stores.compare(message.newer, now):
                    self._renew_all(now)
            case Lead():
                self._heard_at = now
                self._renew_all(now)
            case Missed():
                self.metrics.missed += 1
                self._ask_again(now)
                # A right may have been withdrawn meanwhile.
                for name in self._openings.restricted():
                    self._recheck(name, now)

    def doubt(self, message: News, now: float) -> None:
        """A message could not be taken by a fault of ours: holders of its stores get them anew."""
        if isinstance(message, Commit):
            for update in message.updates:
                self._stores.doubt(update.key, now)
        elif isinstance(message, Snapshot):
            self._stores.doubt(message.key, now)

    def bus_lost(self) -> None:
        """The bus is away: nothing is queued for it, since all that matters is asked again."""
        self._lost = True
        self.metrics.bus_losses += 1
        self._queue.clear()

    def bus_returned(self, now: float) -> None:
        """The bus is back, perhaps empty: tell and ask it everything again."""
        self._lost = False
        self.unregistered = True
        self._ask_again(now)

    def sweep(self, now: float) -> None:
        """Do what is due; call it a few times a second."""
        if self.full:
            # What is asked is in the queue. Who has left is forgotten all the same.
            self._openings.again(now)
            return
        if now >= self._renew_at:
            self._renew_at = now + RENEW
            self._put(Renew(self._stores.some_held()))
        resend, self._resend = self._resend, {}
        for client in self._busy:
            unanswered = _unanswered(client)
            if client in resend or unanswered.overdue(now, moving=now - self._answered_at < PATIENCE):
                self._put_all(unanswered.again(now))
        self._put_all(self._openings.again(now))
        self._open_waiting(now)
        self._stores.sweep(now)
        for client in self._rounds.due(self._clients, now):
            self._ask_about(client, now)

    def ready(self, now: float) -> bool:
        """Whether the bus is there and a multiplexer answers."""
        return not self._lost and now - self._heard_at < FRESH

    # What it makes.

    @property
    def has_messages(self) -> bool:
        """Whether there is a :meth:`parcel` to be appended."""
        return bool(self._queue)

    def parcel(self) -> Parcel | None:
        """The next messages for the bus, in order; append it before the next one is taken."""
        if not self._queue:
            return None
        messages: list[FrontMessage] = []
        weight = 0
        while self._queue and len(messages) < PARCEL and weight < PARCEL_BYTES:
            message = self._queue.popleft()
            messages.append(message)
            if isinstance(message, Action):
                weight += len(message.params)
        return Parcel(self.front, messages)

    @property
    def has_changes(self) -> bool:
        """Whether there are :meth:`changes` for the registry."""
        return bool(self._registration)

    def changes(self) -> Changes:
        """What the registry does not know yet; tell it before the next :meth:`parcel`, or with that."""
        return self._registration.take()

    def everything(self) -> tuple[Collection[str], Collection[str]]:
        """All stores held and all actors served, for the registry; tell it before anything else."""
        self.unregistered = False
        return self._stores.keys(), self._registration.take_all()

    def writes(self) -> Iterator[tuple[Collection[Wire], bytes]]:
        """The bytes of this tick, joined, and whom they go to; each client comes once. Exhaust it at once."""
        last: Rope | None = None
        last_window, data = -1, b""
        for rope, window, wires in self._outbox.take():
            # Those who get the same follow each other: it is joined once for all of them.
            if rope is not last or window != last_window:
                last, last_window = rope, window
                data = self._joined(frames_of(rope), window)
            self.metrics.wrote(len(wires), len(data))
            yield wires, data

    # Inside.

    def _joined(self, frames: list[bytes], window: int) -> bytes:
        if window:
            frames = [self._deflater.frames(frame, window) for frame in frames]
        return frames[0] if len(frames) == 1 else b"".join(frames)

    def _put(self, message: FrontMessage) -> None:
        # What does not get in is asked again after its patience, like all that has no answer.
        if not self._lost and len(self._queue) < MOST_QUEUED:
            self._queue.append(message)

    def _ask_again(self, now: float) -> None:
        """Ask again whatever has no answer: it may be lost, or the answer."""
        self._queue.clear()
        self._renew_all(now)
        for client in self._busy:
            self._put_all(_unanswered(client).again(now))
        self._put_all(self._openings.again(now, patience=0.0))
        self._stores.sweep(now, patience=0.0)

    def _renew_all(self, now: float) -> None:
        """Have all stores compared: updates may have been missed."""
        self._renew_at = now + RENEW
        self._put_all(Renew(held) for held in self._stores.all_held())

    def _put_all(self, messages: Iterable[FrontMessage]) -> None:
        for message in messages:
            self._put(message)

    def _subscribe(self, client: Client, frame: Subscribe, now: float) -> None:
        for request in frame.stores:
            if request.id in client.subscriptions:
                client.failed = f"id {request.id} is in use"
                return
            if 0 < self._rules.limits.subscriptions <= len(client.subscriptions):
                self._outbox.send(client, build(unsubscribed(request.id, TOO_MANY_SUBSCRIPTIONS)))
                continue
            position = Position(*request.position) if request.position is not None else None
            subscription = client.subscriptions[request.id] = Subscription(client, request.id, position)
            params = bytes(request.params).decode()
            if not self._open(subscription, request.name, params, now):
                waiting = self._waiting.setdefault(client.identity.actor, deque())
                waiting.append((subscription, request.name, params))

    def _open(self, subscription: Subscription, name: str, params: str, now: float) -> bool:
        """Open a store for a client, unless its actor has had too many looked for already."""
        identity = subscription.client.identity
        key = self._openings.known(name, params, identity, now)
        if key is not None:
            self._stores.hold(subscription, key, now)
            return True
        if not self._rules.openings.spend(identity.actor, now):
            return False
        question = self._openings.ask(name, params, subscription, now)
        if question is not None:
            self._put(question)
        return True

    def _open_waiting(self, now: float) -> None:
        """Open what waited for its turn."""
        for actor, waiting in list(self._waiting.items()):
            while waiting:
                subscription, name, params = waiting[0]
                if subscription.wanted and not self._open(subscription, name, params, now):
                    break
                waiting.popleft()
            else:
                del self._waiting[actor]

    def _recheck(self, name: str, now: float) -> None:
        self._put_all(self._openings.doubt(name, now))
        for key, subscription in self._stores.suspend(name):
            question = self._openings.ask(*asked_for(key), subscription, now)
            if question is not None:
                self._put(question)

    def _ask_about(self, client: Client, now: float) -> None:
        """Ask whether a client still may read what it reads; it goes on until it is said that it may not."""
        for subscription in client.subscriptions.values():
            key = subscription.key
            if key is not None and self._openings.each_for_himself(key):
                question = self._openings.ask(*asked_for(key), subscription, now)
                if question is not None:
                    self._put(question)

    def _dispatch(self, client: Client, frame: Dispatch, now: float) -> None:
        unanswered = _unanswered(client)
        full = self.full or self._count >= MOST_UNDER_WAY or self._bytes >= MOST_UNDER_WAY_BYTES
        room = not full and self._rules.actors.spend(client.identity.actor, now)
        if not unanswered.admits(frame.lane, frame.number, room=room):
            self.metrics.refuse(BUSY.code)
            refused = Outcome(client.number, frame.lane, frame.number, "invalid", None, BUSY, {})
            self._outbox.send(client, build(outcome(refused, {})))
            return
        span = None
        if self._traces is not None:
            span = self._traces.begin(
                f"action {frame.name}", frame.traceparent, client=client.client_id, number=frame.number
            )
        action = Action(
            connection=client.number,
            actor=client.identity.actor,
            claims=client.identity.claims,
            client=client.client_id,
            lane=frame.lane,
            number=frame.number,
            name=frame.name,
            params=bytes(frame.params).decode(),
            trace="" if span is None else span.context,
        )
        self.metrics.actions += 1
        if self._trail is not None:
            self._trail.came((action,))
        unanswered.add(action, now, span)
        self._busy[client] = None
        self._count += 1
        self._bytes += len(action.params)
        self._put(action)

    def _answer(self, message: Outcome, now: float) -> None:
        client = self._clients.get(message.connection)
        if client is None or client.unanswered is None:
            return
        if (
            message.error is not None
            and message.error.code in OUT_OF_TURN
            and client.unanswered.waits_before(message.lane, message.number)
        ):
            # The bus lost an earlier one. The client has done nothing wrong: send all of them again, in order.
            self._resend[client] = None
            return
        answered = client.unanswered.answer(message.lane, message.number, now)
        if answered is not None:
            self._answered_at = now
            code = message.error.code if message.error is not None else None
            self.metrics.answered(message.status, code, now - answered.since)
            if self._trail is not None:
                self._trail.went(answered.action, message.status, code, now - answered.since)
            if answered.span is not None:
                answered.span.end(status=message.status, code=code or "")
            self._count -= 1
            self._bytes -= len(answered.action.params)
            if not client.unanswered:
                self._busy.pop(client, None)
            stores = self._stores.reached(client, message.stores)
            self._outbox.send(client, build(outcome(message, stores)))


def _unanswered(client: Client) -> Unanswered:
    # Most clients only look: they need no room for actions.
    if client.unanswered is None:
        client.unanswered = Unanswered()
    return client.unanswered
