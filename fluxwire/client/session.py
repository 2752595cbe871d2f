"""The client's side of the protocol without its socket: text in, text out (docs/protocol.md).

Nothing here awaits, reads a clock or touches a transport; ``client`` does. After each call take what is to be sent with
:meth:`Session.take_out`.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping

from . import frames
from .dispatches import Dispatched, Dispatches
from .frames import ProtocolFault
from .subscriptions import Gap, Refused, Replica, Subscription

PROTOCOLS = [1]
MAX_STORES = 1000
"""§3: how many stores one frame may name."""
DEFAULT_MAX_FRAME = 65_536
RESUME_ROOM = 200
"""Bytes kept free in a subscribe frame for its members, and for a store's epoch and version."""


class Session:
    """All that outlives a connection: the client id, actions without outcome, stores and their documents.

    Args:
        token: JSON Web Token of the actor.
        client: The client id; a random one if left out.

    """

    def __init__(self, token: str, client: str | None = None) -> None:
        self.token = token
        self._shown = token  # on this connection
        self.client = client or secrets.token_hex(8)
        self.welcome: frames.Welcome | None = None
        """What the front said on this connection, None while it is opening."""
        self.start_over: str | None = None
        """Why this connection has to be replaced, if it has to."""
        self._out: list[str] = []
        self._dispatches = Dispatches()
        self._subscriptions: dict[int, Subscription] = {}
        self._replicas: dict[str, Replica] = {}
        self._next_id = 1
        self._group: list[frames.Update] = []
        self._group_size = 0
        self._failure: BaseException | None = None

    @property
    def unanswered(self) -> int:
        """How many actions have no outcome yet."""
        return len(self._dispatches)

    def connected(self) -> None:
        """A fresh connection is there."""
        self.start_over = None
        self._shown = self.token
        self._out = [frames.write("hello", protocols=PROTOCOLS, token=self.token, client=self.client)]

    def lost(self) -> None:
        """The connection is gone; the documents stay."""
        self.welcome = None
        self._out.clear()
        self._group.clear()
        self._group_size = 0
        for replica in self._replicas.values():
            replica.live = False

    def dispatch(self, name: str, params: Mapping[str, object]) -> Dispatched:
        """Number an action, and send it when its turn comes.

        Raises:
            ValueError: The frame would be longer than the front takes, or holds what is no text.
            TypeError: The parameters cannot be JSON.

        """
        action = Dispatched(name, params)
        # The number is not known yet; none is longer than this.
        self._check_length(_dispatch_frame(action, 2**53))
        self._dispatches.add(action)
        if self._failure is not None:
            self._dispatches.fail(self._failure)
        return action

    def subscribe(self, name: str, params: Mapping[str, object]) -> Subscription:
        """Ask for a store.

        Raises:
            ValueError: The frame would be longer than the front takes, or holds what is no text.
            TypeError: The parameters cannot be JSON.

        """
        subscription = Subscription(self._take_id(), name, params)
        # What a resume will add is short.
        self._check_length(frames.write("subscribe", stores=[_subscribe_entry(subscription)]) + RESUME_ROOM * " ")
        self._subscriptions[subscription.number] = subscription
        if self._failure is not None:
            subscription.fail(self._failure)
        elif self.welcome:
            self._ask([subscription])
        return subscription

    def unsubscribe(self, subscription: Subscription) -> None:
        """Let go of a store."""
        if self._subscriptions.pop(subscription.number, None) is None:
            return
        self._detach(subscription)
        if self.welcome:
            self._out.append(frames.write("unsubscribe", ids=[subscription.number]))

    def refresh(self, token: str) -> None:
        """Show a fresh token of the same actor, now and at every opening (§2)."""
        self.token = token
        if self.welcome:
            self._show()

    def _show(self) -> None:
        if self.token != self._shown:
            self._shown = self.token
            self._out.append(frames.write("refresh", token=self.token))

    def ping(self) -> None:
        """Ask for a sign of life (§2)."""
        self._out.append(frames.write("ping"))

    @property
    def has_out(self) -> bool:
        """Whether there is something to send."""
        return bool(self._out) or (self.welcome is not None and self._dispatches.has_next)

    @property
    def resume_at(self) -> float | None:
        """When :meth:`resume` is due, in seconds of the clock of :meth:`receive`; None: not at all."""
        return self._dispatches.resume_at if self.welcome else None

    def resume(self, now: float) -> None:
        """Go on with what the front was too busy for, if it is time."""
        self._dispatches.resume(now)

    def take_out(self, now: float) -> list[str]:
        """Return the frames that are to be sent, in order.

        Args:
            now: Seconds of a clock that only goes forward.

        """
        if self.welcome and self.start_over is None:
            self._out += [_dispatch_frame(action, action.number) for action in self._dispatches.take(now)]
        out, self._out = self._out, []
        return out

    def fail(self, failure: BaseException) -> None:
        """Nothing will come any more: tell everybody who waits, now or later."""
        self._failure = failure
        self._dispatches.fail(failure)
        for subscription in self._subscriptions.values():
            subscription.fail(failure)

    def receive(self, text: str | bytes, now: float) -> None:
        """Take a frame from the front.

        Args:
            text: The WebSocket message.
            now: Seconds of a clock that only goes forward.

        Raises:
            ProtocolFault: It is no frame, or not in this state; the connection is of no use any more.

        """
        frame = frames.parse(text)
        if frame is None or isinstance(frame, frames.Pong):
            return
        if isinstance(frame, frames.Welcome):
            self._open(frame)
            return
        if self.welcome is None:
            raise ProtocolFault("a frame before the welcome")
        if self._group_size and not isinstance(frame, frames.Update):
            raise ProtocolFault("§5: fewer updates than the commit announced")
        self._take(frame, now)

    def _take(self, frame: frames.Frame, now: float) -> None:
        match frame:
            case frames.Update():
                self._gather(frame)
            case frames.Commit():
                self._group_size = frame.updates
            case frames.Outcome():
                self._settle(frame, now)
            case frames.Snapshot():
                self._replace(frame)
            case frames.Subscribed():
                self._subscribed(frame)
            case frames.Unsubscribed():
                self._unsubscribed(frame)

    def _open(self, frame: frames.Welcome) -> None:
        self.welcome = frame
        self._show()
        # §3: everything that is held is asked for in one go, from where it stands. §4: then all that has no outcome.
        self._ask(list(self._subscriptions.values()))
        self._dispatches.restart()

    def _settle(self, outcome: frames.Outcome, now: float) -> None:
        problem = self._dispatches.settle(outcome, now)
        if problem == "client_expired" and self.start_over is None:
            self.client = secrets.token_hex(8)
            self._dispatches.renumber()
        if problem is not None:
            self.start_over = problem

    def _subscribed(self, frame: frames.Subscribed) -> None:
        subscription = self._subscriptions.get(frame.id)
        if subscription is None:
            return
        replica = self._replicas.setdefault(frame.store, Replica(frame.store))
        if subscription.replica is not replica:
            self._detach(subscription)
            self._replicas[frame.store] = replica
            subscription.replica = replica
            replica.subscriptions.add(subscription)
        relies = frame.resumed and not replica.live
        replica.live = True
        if relies and replica.epoch != frame.epoch:
            # §3: on a document that was ignored with an id that was given up before its answer.
            self._renew(replica)
        elif not frame.resumed:
            # The old document stays in sight until the snapshot is here.
            replica.waiting = True
        if subscription.held:
            subscription.wake()

    def _unsubscribed(self, frame: frames.Unsubscribed) -> None:
        subscription = self._subscriptions.pop(frame.id, None)
        if subscription is not None:
            self._detach(subscription)
            subscription.fail(Refused(frame.error))

    def _replace(self, frame: frames.Snapshot) -> None:
        replica = self._replicas.get(frame.store)
        if replica is not None and replica.live:
            replica.replace(frame)
            replica.announce()

    def _gather(self, update: frames.Update) -> None:
        """§5: what was announced together is applied together, so that nobody sees half a commit."""
        self._group.append(update)
        self._group_size = max(0, self._group_size - 1)
        if self._group_size:
            return
        group, self._group = self._group, []
        changed = [replica for update in group if (replica := self._apply(update)) is not None]
        for replica in changed:
            replica.announce()

    def _apply(self, update: frames.Update) -> Replica | None:
        replica = self._replicas.get(update.store)
        if replica is None or not replica.live or replica.waiting:
            return None
        try:
            return replica if replica.apply(update) else None
        except Gap:
            self._renew(replica)
            return None

    def _renew(self, replica: Replica) -> None:
        """§3: after a gap, subscribe anew and without a version."""
        replica.live = False
        replica.waiting = True
        renewed = list(replica.subscriptions)
        self._out.append(frames.write("unsubscribe", ids=[subscription.number for subscription in renewed]))
        for subscription in renewed:
            del self._subscriptions[subscription.number]
            subscription.number = self._take_id()
            self._subscriptions[subscription.number] = subscription
        self._ask(renewed)

    def _check_length(self, frame: str) -> None:
        """§1: a frame that is too long would close the connection."""
        limit = self._max_frame
        if len(frame.encode()) > limit:
            raise ValueError(f"the parameters are longer than a frame may be ({limit} bytes)")

    @property
    def _max_frame(self) -> int:
        return self.welcome.max_frame if self.welcome else DEFAULT_MAX_FRAME

    def _ask(self, subscriptions: list[Subscription]) -> None:
        """Put the subscriptions in as few frames as the front takes."""
        limit = self._max_frame - RESUME_ROOM
        batch: list[dict[str, object]] = []
        size = 0
        for subscription in subscriptions:
            entry = _subscribe_entry(subscription)
            length = len(frames.write("", entry=entry).encode())
            if batch and (len(batch) == MAX_STORES or size + length > limit):
                self._out.append(frames.write("subscribe", stores=batch))
                batch, size = [], 0
            batch.append(entry)
            size += length
        if batch:
            self._out.append(frames.write("subscribe", stores=batch))

    def _detach(self, subscription: Subscription) -> None:
        replica = subscription.replica
        if replica is not None:
            replica.subscriptions.discard(subscription)
            if not replica.subscriptions:
                self._replicas.pop(replica.key, None)

    def _take_id(self) -> int:
        self._next_id += 1
        return self._next_id - 1


def _dispatch_frame(action: Dispatched, number: int) -> str:
    return frames.write("dispatch", number=number, name=action.name, params=action.params)


def _subscribe_entry(subscription: Subscription) -> dict[str, object]:
    entry: dict[str, object] = {"id": subscription.number, "name": subscription.name, "params": subscription.params}
    replica = subscription.replica
    if replica is not None and not replica.waiting:
        entry |= {"epoch": replica.epoch, "version": replica.version}
    return entry
