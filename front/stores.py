"""Who holds which store, and what each gets when it moves (docs/protocol.md §3, §5).

Bytes are made once per store and handed to all who are in step with it, as one crowd. A client whose socket is blocked
gets no frames of stores: it lags, with where it stands written down, and catches up from the cache when it drains.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache, lru_cache

from broker.messages import Error, Fetch, Gone, Held, Snapshot, Update

from .clients import Client, Subscription
from .frames import Commit, Subscribed, build, unsubscribed
from .outbox import Crowd, Outbox
from .registration import Registration
from .store_cache import Position, StoreCache

GRACE = 30.0
"""How long a store is kept after its last holder left, in seconds: who reloads the page finds it warm."""

PATIENCE = 5.0
"""A snapshot that has not come is asked for again after so many seconds."""

COMPARED = 256
"""Stores that one renewal compares at least; more where more than COMPARED_WITHIN renewals would be needed."""

COMPARED_WITHIN = 15
"""Renewals by which every store has been compared once."""

COMPARED_AT_ONCE = 1_000
"""Stores that one renewal compares at most when all are compared."""

ON_ITS_WAY = 2.0
"""How long an update may be on its way after the database was found ahead; then it counts as lost. In seconds."""


@cache
def commit_frame(updates: int) -> bytes:
    """The frame that announces so many updates; made once per number, of which there are few."""
    return build(Commit(updates))


@lru_cache(maxsize=1_000)
def subscribed_frame(subscription: int, key: str, epoch: str, version: int, resumed: bool) -> bytes:
    """The frame that answers a subscription; a crowd that comes in asks by the same few numbers for the same stores."""
    return build(Subscribed(subscription, key, epoch, version, resumed))


class Store:
    """One store on this front. Its holders, who were told ``subscribed``, are either in step or lag."""

    __slots__ = ("cache", "crowd", "key", "lagging", "more", "pending", "suspended")

    def __init__(self, key: str) -> None:
        self.key = key
        self.cache = StoreCache()
        self.crowd = Crowd()
        """Holders who have all there is."""
        self.lagging: dict[Client, Position | None] = {}
        """Holders from whom frames are held back, with where their documents stand; None: nowhere."""
        self.more: dict[Client, int] = {}
        """How many further ids of a holder name this store, if any."""
        self.pending: dict[Subscription, None] = {}
        """Subscriptions that wait for a snapshot, in order."""
        self.suspended: set[Client] = set()
        """Holders of whom it is asked whether they still may read; they lag until then."""

    @property
    def empty(self) -> bool:
        """Whether nobody holds it or waits for it."""
        return not (self.crowd or self.lagging or self.pending)

    def holds(self, client: Client) -> bool:
        """Whether a client is among the holders."""
        return client in self.crowd or client in self.lagging

    def let_go(self, client: Client) -> None:
        """Make a holder none."""
        self.crowd.discard(client)
        self.lagging.pop(client, None)
        self.suspended.discard(client)


class Stores:
    """All stores of one front.

    Args:
        outbox: Takes the frames for clients.
        ask: Takes the requests for snapshots.
        registration: Learns what is held.

    """

    __slots__ = ("_ahead", "_ask", "_compare", "_epoch", "_fetching", "_idle", "_outbox", "_registration", "_stores")

    def __init__(self, *, outbox: Outbox, ask: Callable[[Fetch], None], registration: Registration) -> None:
        self._outbox = outbox
        self._ask = ask
        self._registration = registration
        self._compare: list[str] = []  # keys still to be compared in this round
        self._ahead: dict[str, tuple[int, float]] = {}  # versions at which the database was found ahead, and when
        self._epoch: str | None = None  # the last one that was found to be another than ours
        self._stores: dict[str, Store] = {}
        self._fetching: dict[str, float] = {}  # key, when the snapshot was asked for
        self._idle: dict[str, float] = {}  # key, when the last holder left; oldest first

    def __len__(self) -> int:
        return len(self._stores)

    def hold(self, subscription: Subscription, key: str, now: float) -> None:
        """Subscribe: at once if the cache has what it takes, else when a snapshot has come.

        For one that was suspended: let it go on.
        """
        store = self._stores.get(key)
        if store is not None and subscription.client in store.suspended:
            store.suspended.discard(subscription.client)
            self._catch_up(subscription.client, now)
        if subscription.key == key:
            return
        if subscription.key is not None:
            # By a deploy its store goes by another key, whose versions say nothing of the document it has.
            self.release(subscription, now)
            subscription.position = None
            store = self._stores.get(key)
        subscription.key = key
        if store is None:
            store = self._stores[key] = Store(key)
            self._registration.hold(key)
        self._idle.pop(key, None)
        if not self._serve(store, subscription, insist=False):
            store.pending[subscription] = None
            self._fetch(key, now)

    def release(self, subscription: Subscription, now: float) -> None:
        """Let go of a subscription, whether it was served or waits."""
        store = self._stores.get(subscription.key) if subscription.key is not None else None
        if store is None:
            return
        client = subscription.client
        if subscription in store.pending:
            del store.pending[subscription]
        elif client in store.more:
            store.more[client] -= 1
            if not store.more[client]:
                del store.more[client]
        else:
            store.let_go(client)
        if store.empty:
            self._idle[store.key] = now

    def take_updates(self, updates: Iterable[Update], now: float) -> None:
        """Take the updates of one commit to everybody who holds their stores."""
        taken: list[tuple[Store, bytes]] = []
        for update in updates:
            store = self._stores.get(update.key)
            if store is None:
                continue
            frame = store.cache.take_update(update)
            if frame:
                taken.append((store, frame))
            elif store.cache.awaits_snapshot:
                self._fetch(store.key, now)
        if len(taken) > 1:
            self._announce(store for store, _ in taken)
        for store, frame in taken:
            self._outbox.spread(store.crowd, frame)
        for store, _ in taken:
            if frames := store.cache.follows():
                self._outbox.spread(store.crowd, frames)
            self._serve_pending(store, insist=False, now=now)

    def take_chain(self, updates: Sequence[Update], now: float) -> None:
        """Take updates of one store, each of its own commit, to everybody who holds it, in one pass."""
        store = self._stores.get(updates[0].key)
        if store is None:
            return
        frames = b"".join(map(store.cache.take_update, updates)) + store.cache.follows()
        if frames:
            self._outbox.spread(store.crowd, frames)
            self._serve_pending(store, insist=False, now=now)
        if store.cache.awaits_snapshot:
            self._fetch(store.key, now)

    def take_snapshot(self, snapshot: Snapshot, now: float) -> None:
        """Take a snapshot to those who wait for it, and to all holders if it is news to them."""
        store = self._stores.get(snapshot.key)
        if store is None:
            return
        self._fetching.pop(snapshot.key, None)
        data = store.cache.take_snapshot(snapshot)
        if data:
            self._outbox.spread(store.crowd, data)
        for client in list(store.lagging):
            self._catch_up(client, now)
        self._serve_pending(store, insist=True, now=now)
        if store.cache.awaits_snapshot:
            self._fetch(store.key, now)

    def doubt(self, key: str, now: float) -> None:
        """Start a store anew: something went wrong while it moved, and some holders may have missed it."""
        store = self._stores.get(key)
        if store is not None:
            store.cache = StoreCache()
            self._fetching.pop(key, None)
            self._fetch(key, now)

    def take_gone(self, gone: Gone, now: float) -> None:
        """End all subscriptions of a store that can no longer be rendered."""
        store = self._stores.pop(gone.key, None)
        if store is None:
            return
        self._registration.drop(gone.key)
        self._fetching.pop(gone.key, None)
        self._idle.pop(gone.key, None)
        for client in {*store.crowd, *store.lagging, *(subscription.client for subscription in store.pending)}:
            for subscription in [s for s in client.subscriptions.values() if s.key == gone.key]:
                if client in store.suspended:
                    # It is asked for anyway, and the answer may be another key.
                    subscription.key = None
                else:
                    self.refuse(subscription, gone.error, now)

    def suspend(self, name: str) -> list[tuple[str, Subscription]]:
        """Hold a store's frames back from all who have it, until it is known whether they still may read.

        Args:
            name: A store key, or a store's name alone for all its keys.

        Returns:
            Keys and the subscriptions to be asked for: :meth:`hold` or :meth:`refuse` each by its verdict.

        """
        suspended: list[tuple[str, Subscription]] = []
        for store in self._stores.values():
            if store.key != name and not store.key.startswith(name + "{"):
                continue
            for subscription in store.pending:
                subscription.key = None
                suspended.append((store.key, subscription))
            store.pending.clear()
            for client in [*store.crowd, *store.lagging]:
                store.suspended.add(client)
                self._fall_back(store, client)
                suspended += [(store.key, one) for one in client.subscriptions.values() if one.key == store.key]
        return suspended

    def refuse(self, subscription: Subscription, error: Error, now: float) -> None:
        """Tell a client that it cannot have a store (any more), unless it has let go of it already."""
        client = subscription.client
        if subscription.wanted:
            self.release(subscription, now)
            del client.subscriptions[subscription.id]
            self._outbox.send(client, build(unsubscribed(subscription.id, error)))

    def blocked(self, client: Client) -> None:
        """Hold the frames of all its stores back from a client."""
        client.blocked = True
        for store in self._held_by(client):
            self._fall_back(store, client)

    def drained(self, client: Client, now: float) -> None:
        """Let a client that was blocked catch up."""
        client.blocked = False
        self._catch_up(client, now)

    def reached(self, client: Client, stores: dict[str, int]) -> dict[str, int]:
        """Of the stores an outcome names, those that a client holds (§4)."""
        return {
            key: version
            for key, version in stores.items()
            if (store := self._stores.get(key)) is not None and store.holds(client)
        }

    def keys(self) -> list[str]:
        """All stores."""
        return list(self._stores)

    def some_held(self) -> list[Held]:
        """Where some stores stand, to be compared with the database; each comes round once in a while."""
        if not self._compare:
            self._compare = list(self._stores)
        count = max(COMPARED, -(-len(self._stores) // COMPARED_WITHIN))
        keys, self._compare = self._compare[:count], self._compare[count:]
        return self._held(keys)

    def all_held(self) -> Iterable[list[Held]]:
        """The same for all, in portions."""
        keys, self._compare = list(self._stores), []
        for start in range(0, len(keys) or 1, COMPARED_AT_ONCE):
            yield self._held(keys[start : start + COMPARED_AT_ONCE])

    def compare(self, newer: Iterable[Held], now: float) -> bool:
        """Take where the database stands for stores in which it is ahead of us.

        What brings us there may be on its way, but for another epoch, which nothing leads to.

        Returns:
            Whether a new epoch was seen, so that all stores are to be compared now.

        """
        anew = False
        for there in newer:
            store = self._stores.get(there.key)
            if store is None or store.cache.position is None:
                continue
            if store.cache.position.epoch == there.epoch:
                self._ahead.setdefault(there.key, (there.version, now))
                continue
            self._fetch(there.key, now)
            anew = anew or there.epoch != self._epoch
            self._epoch = there.epoch
        return anew

    def sweep(self, now: float, *, patience: float = PATIENCE) -> None:
        """Ask for snapshots that do not come and of what was missed, and forget stores that nobody came back for."""
        for key in [key for key, (_, since) in self._ahead.items() if now - since >= ON_ITS_WAY]:
            version, _ = self._ahead.pop(key)
            store = self._stores.get(key)
            if store is not None and store.cache.position is not None and store.cache.position.version < version:
                self._fetch(key, now)
        for key in [key for key, asked_at in self._fetching.items() if now - asked_at >= patience]:
            del self._fetching[key]
            if key not in self._idle:
                self._fetch(key, now)
        for key in [key for key, since in self._idle.items() if now - since >= GRACE]:
            del self._idle[key], self._stores[key]
            self._registration.drop(key)
            self._fetching.pop(key, None)

    def _held(self, keys: Iterable[str]) -> list[Held]:
        # One whose first snapshot is on its way stands nowhere.
        stores = (self._stores.get(key) for key in keys)
        return [Held(store.key, *store.cache.position) for store in stores if store and store.cache.position]

    def _held_by(self, client: Client) -> Iterator[Store]:
        """Each store that a client holds, once."""
        for key in dict.fromkeys(subscription.key for subscription in client.subscriptions.values()):
            store = self._stores.get(key) if key is not None else None
            if store is not None and store.holds(client):
                yield store

    def _fetch(self, key: str, now: float) -> None:
        if key not in self._fetching:
            self._fetching[key] = now
            self._ask(Fetch(key))

    def _serve(self, store: Store, subscription: Subscription, *, insist: bool) -> bool:
        """Answer ``subscribed`` and bring the client to where the store is.

        Args:
            store: The store.
            subscription: Of a client that does not know yet whether it is subscribed.
            insist: Serve a client that claims a version beyond ours, too.

        Returns:
            Whether the cache had what it takes.

        """
        client, position = subscription.client, store.cache.position
        if position is None:
            return False
        data: bytes | None = b""
        resumed = held = store.holds(client)
        if not held:
            data = store.cache.since(subscription.position)
            resumed = data is not None
            if data is None:
                data = store.cache.whole()
                # Another front was ahead of us: going back would show an older document for a moment.
                if data is None or (_is_ahead(subscription.position, position) and not insist):
                    return False
        answer = subscribed_frame(subscription.id, store.key, position.epoch, position.version, resumed)
        self._outbox.send(client, answer)
        if held:
            store.more[client] = store.more.get(client, 0) + 1
        elif client.blocked:
            store.lagging[client] = subscription.position if resumed else None
        else:
            if data:
                self._outbox.send(client, data)
            self._fall_in(store, client)
        return True

    def _serve_pending(self, store: Store, *, insist: bool, now: float) -> None:
        if not store.pending:
            return
        pending, store.pending = store.pending, {}
        for subscription in pending:
            if not self._serve(store, subscription, insist=insist):
                store.pending[subscription] = None
        if store.pending:
            self._fetch(store.key, now)

    def _announce(self, stores: Iterable[Store]) -> None:
        """§5: say how many of the updates that follow each client gets, if more than one."""
        updates: Counter[Client] = Counter()
        count = 0
        for store in stores:
            updates.update(store.crowd)
            count += len(store.crowd)
        if len(updates) == count:
            return  # nobody holds two of them: no client is looked at
        clients: defaultdict[int, list[Client]] = defaultdict(list)
        for client, number in updates.items():
            clients[number].append(client)
        for number, those in clients.items():
            if number > 1:
                self._outbox.hand_out(those, commit_frame(number))

    def _fall_back(self, store: Store, client: Client) -> None:
        """Hold a store's frames back from a holder, from here on."""
        if client in store.crowd:
            self._outbox.set_apart(client)
            store.crowd.discard(client)
            store.lagging[client] = store.cache.position

    def _fall_in(self, store: Store, client: Client) -> None:
        """Let a holder who has all there is have what comes."""
        store.lagging.pop(client, None)
        store.crowd.add(client)
        self._outbox.excuse(client, store.crowd)

    def _catch_up(self, client: Client, now: float) -> None:
        """Bring a client that can take it to where its stores are (§5)."""
        if client.blocked:
            return
        updates: list[bytes] = []
        snapshots: list[bytes] = []
        for store in self._held_by(client):
            if client not in store.lagging or client in store.suspended:
                continue
            update = store.cache.since(store.lagging[client])
            if update is not None:
                updates += [update] if update else []
            elif (snapshot := store.cache.whole()) is not None:
                snapshots.append(snapshot)
            else:
                self._fetch(store.key, now)
                continue
            self._fall_in(store, client)
        # What collapsed becomes visible together: in between lie states that no commit had.
        if len(updates) > 1:
            updates.insert(0, commit_frame(len(updates)))
        for data in (*updates, *snapshots):
            self._outbox.send(client, data)


def _is_ahead(claimed: Position | None, ours: Position) -> bool:
    return claimed is not None and claimed.epoch == ours.epoch and claimed.version > ours.version
