"""Both buses inside one process, with the guarantees of ``bus``: for unit tests, and to read how a bus is meant."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from heapq import merge
from operator import itemgetter

from .bus import Delivery, FrontBus, Missed, MultiplexerBus, News
from .errors import BusFull, BusLost
from .messages import MultiplexerMessage, Parcel
from .registry import LEASE, NO_CHANGES, Changes, Found

MAX_PARCELS = 4096
"""How many parcels the action bus holds at most."""
MAX_ENTRIES = 10_000
"""How many entries a stream of the update bus keeps."""
QUIET = 1.0
"""How long a reader waits before it returns an empty list, in seconds."""


class MemoryBus:
    """The buses of one cluster; hands out the ends.

    Args:
        max_entries: How many entries a stream of the update bus keeps.
        quiet: How long a reader waits before it returns an empty list, in seconds.

    """

    def __init__(self, *, max_entries: int = MAX_ENTRIES, quiet: float = QUIET) -> None:
        self._streams = _Streams(max_entries, quiet)

    def front(self, front: str, *, most: int = MAX_PARCELS, lease: float = LEASE) -> FrontBus:
        """Make the end of the front with this id.

        Args:
            front: The front's id.
            most: How many parcels the action bus may hold.
            lease: How long what the front registers counts after its last renewal, in seconds.

        """
        return _FrontEnd(self._streams, front, most, lease)

    def multiplexer(self) -> MultiplexerBus:
        """Make a multiplexer's end."""
        return _MultiplexerEnd(self._streams)

    def flush(self) -> None:
        """Forget everything, as a Redis that starts empty; whoever uses the bus goes on."""
        self._streams.flush()


@dataclass(eq=False, slots=True)
class _Entry:
    """A parcel on the action bus, and how it was handed out."""

    parcel: Parcel
    attempts: int = 0
    handed_at: float = 0.0
    appended_at: float = field(default_factory=time.time)

    def hand_out(self) -> Delivery:
        self.attempts += 1
        self.handed_at = time.monotonic()
        return _Delivery(self.parcel, self.attempts, self.appended_at, self)


@dataclass(frozen=True, slots=True)
class _Delivery:
    parcel: Parcel
    attempts: int
    """As it was when this delivery was handed out; another one may follow."""
    appended_at: float
    entry: _Entry = field(repr=False)


class _Updates:
    """One stream of the update bus: batches by position, of which the last ones are kept."""

    def __init__(self, max_entries: int) -> None:
        self._batches: deque[tuple[int, Sequence[MultiplexerMessage]]] = deque(maxlen=max_entries)
        self.end = 0

    def append(self, order: int, batch: Sequence[MultiplexerMessage]) -> None:
        self._batches.append((order, tuple(batch)))
        self.end += 1

    def after(self, position: int) -> list[tuple[int, Sequence[News]]]:
        """Return what was appended at ``position`` or later and is still kept, each with its order."""
        skip = position - (self.end - len(self._batches))
        missed: list[tuple[int, Sequence[News]]] = [(0, [Missed()])] if skip < 0 else []
        return missed + list(self._batches)[max(0, skip) :]

    def flush(self) -> None:
        self._batches.clear()


@dataclass(slots=True)
class _Registered:
    """What a front has registered, until its lease ends."""

    until: float
    stores: set[str]
    actors: set[str]
    intake: float = 0.0


class _Streams:
    """What a Redis would hold."""

    def __init__(self, max_entries: int, quiet: float) -> None:
        self._max_entries = max_entries
        self._quiet = quiet
        self._changed = asyncio.Event()
        self._own: dict[str, _Updates] = {}
        self._written = 0
        self.shared = _Updates(max_entries)
        self.waiting: deque[_Entry] = deque()
        self.handed: list[_Entry] = []
        self.registered: dict[str, _Registered] = {}

    def own(self, front: str) -> _Updates:
        return self._own.setdefault(front, _Updates(self._max_entries))

    def write(self, stream: _Updates, batch: Sequence[MultiplexerMessage]) -> None:
        self._written += 1
        stream.append(self._written, batch)

    def alive(self, front: str) -> _Registered | None:
        """Return what a front has registered, if its lease lasts."""
        registered = self.registered.get(front)
        return registered if registered is not None and time.monotonic() < registered.until else None

    def flush(self) -> None:
        self.waiting.clear()
        self.handed.clear()
        self.registered.clear()
        self.shared.flush()
        for stream in self._own.values():
            stream.flush()

    def wake(self) -> None:
        """Let everybody who waits look again."""
        self._changed.set()
        self._changed = asyncio.Event()

    async def wait(self) -> None:
        """Return when something may have changed, or when it was quiet for long enough."""
        with suppress(TimeoutError):
            async with asyncio.timeout(self._quiet):
                await self._changed.wait()


class _End:
    """What both ends have in common: closing one wakes who waits at it."""

    def __init__(self, streams: _Streams) -> None:
        self._streams = streams
        self._closed = False

    async def close(self) -> None:
        self._closed = True
        self._streams.wake()

    def _check(self) -> None:
        if self._closed:
            raise BusLost("this end was closed")


class _FrontEnd(_End):
    def __init__(self, streams: _Streams, front: str, most: int, lease: float) -> None:
        super().__init__(streams)
        self._front = front
        self._most = most
        self._lease = lease
        self._own = streams.own(front)
        self._shared_position = streams.shared.end
        self._own_position = 0

    async def start(self) -> None:
        self._check()
        self._shared_position = self._streams.shared.end

    async def append(self, parcel: Parcel, changes: Changes = NO_CHANGES) -> None:
        self._check()
        if len(self._streams.waiting) + len(self._streams.handed) >= self._most:
            raise BusFull("the action bus holds as many parcels as it may")
        await self.change(changes)
        self._streams.waiting.append(_Entry(parcel))
        self._streams.wake()

    async def register(self, stores: Collection[str], actors: Collection[str]) -> None:
        self._check()
        until = time.monotonic() + self._lease
        self._streams.registered[self._front] = _Registered(until, set(stores), set(actors))

    async def change(self, changes: Changes) -> None:
        self._check()
        # Without a lease it is kept for nobody; the next renewal says so.
        registered = self._streams.alive(self._front) or _Registered(0.0, set(), set())
        registered.stores.difference_update(changes.dropped)
        registered.stores.update(changes.held)
        registered.actors.difference_update(changes.departed)
        registered.actors.update(changes.arrived)

    async def renew(self, intake: float) -> bool:
        self._check()
        registered = self._streams.alive(self._front)
        if registered is None:
            return False
        registered.until = time.monotonic() + self._lease
        registered.intake = intake
        return True

    async def intake_of_others(self) -> float:
        self._check()
        others = (self._streams.alive(front) for front in self._streams.registered if front != self._front)
        return sum(other.intake for other in others if other is not None)

    async def tell(self, asker: str, message: MultiplexerMessage) -> None:
        self._check()
        self._streams.write(self._streams.own(asker), [message])
        self._streams.wake()

    async def read(self) -> Sequence[News]:
        self._check()
        news = self._take()
        if not news:
            await self._streams.wait()
            self._check()
            news = self._take()
        return news

    def _take(self) -> list[News]:
        shared = self._streams.shared
        batches = merge(shared.after(self._shared_position), self._own.after(self._own_position), key=itemgetter(0))
        self._shared_position, self._own_position = shared.end, self._own.end
        return [one for _, batch in batches for one in batch]


class _MultiplexerEnd(_End):
    async def receive(self, limit: int) -> Sequence[Delivery]:
        self._check()
        if not self._streams.waiting:
            await self._streams.wait()
            self._check()
        waiting = self._streams.waiting
        entries = [waiting.popleft() for _ in range(min(limit, len(waiting)))]
        self._streams.handed += entries
        return [entry.hand_out() for entry in entries]

    async def acknowledge(self, deliveries: Sequence[Delivery]) -> None:
        self._check()
        done = {id(delivery.entry) for delivery in deliveries if isinstance(delivery, _Delivery)}
        self._streams.handed = [entry for entry in self._streams.handed if id(entry) not in done]

    async def take_over(self, idle: float) -> Sequence[Delivery]:
        self._check()
        latest = time.monotonic() - idle
        return [entry.hand_out() for entry in self._streams.handed if entry.handed_at <= latest]

    async def parcels(self) -> int:
        self._check()
        return len(self._streams.waiting) + len(self._streams.handed)

    async def publish(self, messages: Sequence[MultiplexerMessage]) -> None:
        await self.send({}, everyone=messages)

    async def send(
        self,
        messages: Mapping[str, Sequence[MultiplexerMessage]],
        done: Sequence[Delivery] = (),
        *,
        everyone: Sequence[MultiplexerMessage] = (),
    ) -> None:
        self._check()
        for front, batch in messages.items():
            self._streams.write(self._streams.own(front), batch)
        if everyone:
            self._streams.write(self._streams.shared, everyone)
        await self.acknowledge(done)
        self._streams.wake()

    async def find(self, stores: Collection[str], actors: Collection[str] = ()) -> Found:
        self._check()
        found = Found()
        for front in self._streams.registered:
            registered = self._streams.alive(front)
            if registered is None:
                continue
            found.fronts.append(front)
            for store in registered.stores.intersection(stores):
                found.stores.setdefault(store, []).append(front)
            for actor in registered.actors.intersection(actors):
                found.actors.setdefault(actor, []).append(front)
        return found
