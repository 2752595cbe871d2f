"""Both buses on Redis Streams (or Valkey's, which are the same).

Keys, each after the namespace and a colon:

- ``actions``: the action bus, one entry a parcel, read by the consumer group ``multiplexer``. An entry is deleted when
  it is acknowledged, so that the stream holds what is under way and no more.
  It is never trimmed: when it is full, fronts hear so.
- ``updates``: the update bus for every front, one entry for each call of ``publish``, trimmed.
- ``front:<id>``: the update bus for one front, which deletes what it has read. It goes away by itself.
- those of the registry (``redis_registry``).

Redis may lose everything at any moment and start empty: groups are made anew, and readers notice when the numbering of
a stream has begun anew below their position. Whatever is lost of the update bus, also by trimming or because an entry
never arrived, shows in the numbers that entries carry (``codec.Batch``).
"""

from __future__ import annotations

import logging
import math
import secrets
import time
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from heapq import merge
from itertools import takewhile
from operator import attrgetter
from typing import NamedTuple

from . import codec
from .bus import Delivery, Missed, News
from .errors import BadMessage, BusFull, BusLost
from .messages import MultiplexerMessage, Parcel
from .redis_connection import Connection, is_error
from .redis_line import Command
from .redis_registry import FrontKeys, Lookup
from .registry import LEASE, NO_CHANGES, Changes, Found

log = logging.getLogger(__name__)

GROUP = "multiplexer"
FIELD = b"data"
"""The one field of every entry."""
MAX_PARCELS = 4096
"""How many parcels the action bus holds at most, unless it is set otherwise: some seconds of a takeover."""
MAX_ENTRIES = 10_000
"""How many entries a stream of the update bus keeps, roughly: at a thousand a second, ten seconds of a lost Redis."""
OWN_STREAM_SECONDS = 60
"""How long a front's own stream outlives the last message to it at most, in seconds."""
PROLONG_AFTER = 20.0
"""After so many seconds of use that is said to Redis again."""
MOST_UNSEEN, FRONTS = 64, 16
"""After how many appends a front looks again at the length of the action bus: as many as this, or fewer if so many
fronts could fill it with them."""
READ_ENTRIES = 200
"""How many entries of a stream one read takes at most."""
BLOCK_MS = 1000
"""How long Redis holds a reader when it is quiet, in milliseconds."""

Entries = list[tuple[bytes, dict[bytes, bytes] | None]]


class _Entry(NamedTuple):
    """An entry of a stream of the update bus."""

    order: tuple[int, int]
    """Its place among the entries of both streams: by the clock of Redis, and within a millisecond by its writer."""
    stream: bytes
    id: bytes
    batch: codec.Batch | None
    """What it holds; None: nothing that is ours."""


class RedisFrontBus:
    """A front's end; see :class:`broker.bus.FrontBus`.

    Args:
        url: The server's address; see ``redis_connection``.
        namespace: Prefix of every key.
        front: The front's id, another one for each start of a front.
        most: How many parcels the action bus may hold.
        lease: How long what the front registers counts after its last renewal, in seconds.

    """

    def __init__(self, url: str, namespace: str, front: str, *, most: int = MAX_PARCELS, lease: float = LEASE) -> None:
        self._namespace = namespace
        self._actions = f"{namespace}:actions"
        self._updates = f"{namespace}:updates".encode()
        self._own = f"{namespace}:front:{front}".encode()
        self._most = most
        self._length = 0  # of the action bus, when it was looked at last
        self._appends = 1  # until it is looked at again
        self._keys = FrontKeys(namespace, front, lease)
        self._stores = self._actors = 0  # registered
        self._position = {self._updates: b"0-0", self._own: b"0-0"}
        self._numbers: dict[tuple[bytes, str], int] = {}  # of the last entry read, by stream and writer
        self._fresh = {self._updates}  # streams whose next entry may have any number
        self._missed = False
        self._own_read: list[bytes] = []
        self._in_doubt = False
        self._writer = Connection(url)
        self._reader = Connection(url, waits=BLOCK_MS / 1000)

    async def start(self) -> None:
        """See :meth:`broker.bus.FrontBus.start`."""
        self._position[self._updates] = await self._last_id(self._updates)

    async def append(self, parcel: Parcel, changes: Changes = NO_CHANGES) -> None:
        """See :meth:`broker.bus.FrontBus.append`."""
        if self._length >= self._most:
            self._length = await self._writer.run("XLEN", self._actions)
            if self._length >= self._most:
                raise BusFull(f"the action bus holds {self._length} parcels")
        commands = self._keys.change(changes)
        commands.append(("XADD", self._actions, "*", FIELD, codec.encode_parcel(parcel)))
        self._appends -= 1
        look = self._appends <= 0
        if look:
            commands.append(("XLEN", self._actions))
        *_, last = await self._writer.run_all(commands)
        self._count(changes)
        if look:
            self._length = last
            self._appends = min(MOST_UNSEEN, (self._most - self._length) // FRONTS)

    async def register(self, stores: Collection[str], actors: Collection[str]) -> None:
        """See :meth:`broker.registry.FrontRegistry.register`."""
        for commands in self._keys.register(stores, actors):
            await self._writer.run_all(commands)
        self._stores, self._actors = len(stores), len(actors)

    async def change(self, changes: Changes) -> None:
        """See :meth:`broker.registry.FrontRegistry.change`."""
        await self._writer.run_all(self._keys.change(changes))
        self._count(changes)

    async def renew(self, intake: float) -> bool:
        """See :meth:`broker.registry.FrontRegistry.renew`."""
        return self._keys.complete(await self._writer.run_all(self._keys.renew(intake)), self._stores, self._actors)

    async def intake_of_others(self) -> float:
        """See :meth:`broker.registry.FrontRegistry.intake_of_others`."""
        asked = self._keys.intakes(await self._writer.run(*self._keys.fronts()))
        return self._keys.intake(await self._writer.run_all(asked)) if asked else 0.0

    async def tell(self, asker: str, message: MultiplexerMessage) -> None:
        """See :meth:`broker.bus.FrontBus.tell`."""
        stream = f"{self._namespace}:front:{asker}"
        # The first and only entry of its writer.
        batch = codec.Batch(secrets.token_hex(4), 1, 1, [message])
        await self._writer.run_all(
            [("XADD", stream, "*", FIELD, codec.encode_batch(batch)), ("EXPIRE", stream, OWN_STREAM_SECONDS)]
        )

    async def read(self) -> Sequence[News]:
        """See :meth:`broker.bus.FrontBus.read`."""
        if self._in_doubt:
            await self._find_position()
        if self._missed:
            self._missed = False
            return [Missed()]
        # Doubtful until Redis has answered with something new: it may have started anew meanwhile.
        self._in_doubt = True
        commands: list[Command] = [
            ("XREAD", "COUNT", READ_ENTRIES, "BLOCK", BLOCK_MS, "STREAMS", *self._position, *self._position.values())
        ]
        if self._own_read:
            # Nobody else reads it. By id and not by trimming, which would take new entries of a numbering begun anew.
            commands.insert(0, ("XDEL", self._own, *self._own_read))
        *_, answer = await self._reader.run_all(commands)
        self._own_read = []
        news: list[News] = []
        for entry in _in_order(answer):
            self._in_doubt = False
            self._position[entry.stream] = entry.id
            if entry.stream == self._own:
                self._own_read.append(entry.id)
            if entry.batch is not None:
                news += self._take(entry.stream, entry.batch)
        return news

    async def close(self) -> None:
        """See :meth:`broker.bus.FrontBus.close`."""
        await self._reader.close()
        await self._writer.close()

    def _count(self, changes: Changes) -> None:
        self._stores += len(changes.held) - len(changes.dropped)
        self._actors += len(changes.arrived) - len(changes.departed)

    def _take(self, stream: bytes, batch: codec.Batch) -> list[News]:
        expected = self._numbers.get((stream, batch.writer), 0) + 1
        self._numbers[stream, batch.writer] = batch.number
        if batch.number == expected or stream in self._fresh:
            self._fresh.discard(stream)
            return list(batch.messages)
        return [Missed(), *batch.messages]

    async def _find_position(self) -> None:
        """Begin anew with each stream whose numbering has: Redis came back empty, and perhaps with another clock."""
        for stream, position in self._position.items():
            if _order(await self._last_id(stream)) < _order(position):
                self._position[stream] = b"0-0"
                # Whatever we had not read; what is there now follows that.
                self._missed = True
                self._fresh.add(stream)

    async def _last_id(self, stream: bytes) -> bytes:
        """Return the id of the newest entry that was ever in the stream, ``0-0`` for a new one."""
        try:
            info = await self._reader.run("XINFO STREAM", stream)
        except BusLost as exc:
            if is_error(exc, "no such key"):
                return b"0-0"
            raise
        last_id: bytes = info["last-generated-id"]
        return last_id


@dataclass(frozen=True, slots=True)
class _Delivery:
    """A parcel in our hands, with the id of its entry."""

    entry: bytes
    parcel: Parcel
    attempts: int

    @property
    def appended_at(self) -> float:
        return _order(self.entry)[0] / 1000


class RedisMultiplexerBus:
    """The multiplexer's end; see :class:`broker.bus.MultiplexerBus`.

    Args:
        url: The server's address; see ``redis_connection``.
        namespace: Prefix of every key.
        name: This multiplexer's own name among the consumers of the action bus.

    """

    def __init__(self, url: str, namespace: str, name: str) -> None:
        self._namespace = namespace
        self._actions = f"{namespace}:actions"
        self._updates = f"{namespace}:updates"
        self._name = name
        self._last_received = b"0-0"
        self._in_doubt = False
        self._hand = secrets.token_hex(4)  # the writer in all batches
        self._written = 0
        self._numbers: Counter[str] = Counter()  # of entries, by stream
        self._fronts: Collection[str] = ()
        self._prolonged_at: dict[str, float] = {}
        self._finder = Connection(url)
        self._writer = Connection(url)
        self._reader = Connection(url, waits=BLOCK_MS / 1000)

    async def receive(self, limit: int) -> Sequence[Delivery]:
        """See :meth:`broker.bus.MultiplexerBus.receive`."""
        # After a lost answer Redis may hold entries for us that we never saw. They come first, or a front's order
        # would be broken: what we were handed beyond the last one that arrived.
        entries = await self._read_group(limit, self._last_received) if self._in_doubt else []
        self._in_doubt = True
        if not entries:
            entries = await self._read_group(limit, b">")
            self._in_doubt = False
        if entries:
            self._last_received = entries[-1][0]
        return await self._decode_parcels([(entry, fields, 1) for entry, fields in entries])

    async def acknowledge(self, deliveries: Sequence[Delivery]) -> None:
        """See :meth:`broker.bus.MultiplexerBus.acknowledge`."""
        await self._forget(_entries_of(deliveries))

    async def take_over(self, idle: float) -> Sequence[Delivery]:
        """See :meth:`broker.bus.MultiplexerBus.take_over`."""
        deliveries: list[Delivery] = []
        start = b"0-0"
        while True:
            try:
                start, entries = (
                    await self._writer.run(
                        *("XAUTOCLAIM", self._actions, GROUP, self._name),
                        *(round(idle * 1000), start, "COUNT", READ_ENTRIES),
                    )
                )[:2]
            except BusLost as exc:
                if not is_error(exc, "NOGROUP"):
                    raise
                await self._make_group(self._writer)
                return deliveries
            # Before version 7 Redis lists what was deleted meanwhile as nothing.
            present = [(entry, fields) for entry, fields in entries if entry]
            deliveries += await self._decode_parcels(await self._with_attempts(present))
            if start == b"0-0":
                return deliveries

    async def parcels(self) -> int:
        """See :meth:`broker.bus.MultiplexerBus.parcels`."""
        length: int = await self._finder.run("XLEN", self._actions)
        return length

    async def publish(self, messages: Sequence[MultiplexerMessage]) -> None:
        """See :meth:`broker.bus.MultiplexerBus.publish`."""
        await self.send({}, everyone=messages)

    async def send(
        self,
        messages: Mapping[str, Sequence[MultiplexerMessage]],
        done: Sequence[Delivery] = (),
        *,
        everyone: Sequence[MultiplexerMessage] = (),
    ) -> None:
        """See :meth:`broker.bus.MultiplexerBus.send`."""
        commands: list[Command] = []
        now = time.monotonic()
        for front, batch in messages.items():
            stream = self._own(front)
            commands.append(self._add(stream, batch))
            if now >= self._prolonged_at.get(stream, -math.inf) + PROLONG_AFTER:
                self._prolonged_at[stream] = now
                commands.append(("EXPIRE", stream, OWN_STREAM_SECONDS))
        if everyone:
            commands.append(self._add(self._updates, everyone))
        if done:
            commands += self._forgetting(_entries_of(done))
        if not commands:
            return
        try:
            # Who waits for both streams is woken by the first that has something; as one, by both (but by Redis 7).
            await (self._writer.run_as_one if messages and everyone else self._writer.run_all)(commands)
        except BusLost:
            # It may come back without these streams.
            self._prolonged_at.clear()
            raise

    async def find(self, stores: Collection[str], actors: Collection[str] = ()) -> Found:
        """See :meth:`broker.registry.Directory.find`."""
        lookup = Lookup(self._namespace, self._fronts, stores, actors)
        while not lookup.done:
            lookup.take(await self._finder.run_all(lookup.ask()))
        self._fronts = lookup.found.fronts
        if lookup.dead:
            log.info("fronts whose lease has ended: %s", ", ".join(lookup.dead))
            await self._finder.run_all(lookup.bury())
            for front in lookup.dead:
                del self._numbers[self._own(front)]
                self._prolonged_at.pop(self._own(front), None)
        return lookup.found

    async def close(self) -> None:
        """See :meth:`broker.bus.MultiplexerBus.close`."""
        await self._finder.close()
        await self._reader.close()
        await self._writer.close()

    def _own(self, front: str) -> str:
        return f"{self._namespace}:front:{front}"

    def _add(self, stream: str, messages: Sequence[MultiplexerMessage]) -> Command:
        """Return the command that appends one entry to a stream of the update bus.

        It is counted whether it arrives or not: one that does not is missed by who reads the next.
        """
        self._written += 1
        self._numbers[stream] += 1
        batch = codec.Batch(self._hand, self._written, self._numbers[stream], list(messages))
        return ("XADD", stream, "MAXLEN", "~", MAX_ENTRIES, "*", FIELD, codec.encode_batch(batch))

    async def _read_group(self, limit: int, after: bytes) -> Entries:
        try:
            answer = await self._reader.run(
                *("XREADGROUP", "GROUP", GROUP, self._name, "COUNT", limit, "BLOCK", BLOCK_MS),
                *("STREAMS", self._actions, after),
            )
        except BusLost as exc:
            if not is_error(exc, "NOGROUP"):
                raise
            # The first multiplexer of all, or Redis came back empty.
            await self._make_group(self._reader)
            self._last_received = b"0-0"
            return []
        return answer[0][1] if answer else []

    async def _make_group(self, connection: Connection) -> None:
        try:
            # From the first entry on, which may be older than the group.
            await connection.run("XGROUP CREATE", self._actions, GROUP, "0", "MKSTREAM")
        except BusLost as exc:
            # Another multiplexer was faster.
            if not is_error(exc, "BUSYGROUP"):
                raise

    async def _with_attempts(self, entries: Entries) -> list[tuple[bytes, dict[bytes, bytes] | None, int]]:
        """Ask how often each entry was handed out."""
        if not entries:
            return []
        answers = await self._writer.run_all(
            [("XPENDING", self._actions, GROUP, entry, entry, 1) for entry, _ in entries], parse_detail=True
        )
        return [
            (entry, fields, int(answer[0]["times_delivered"]) if answer else 1)
            for (entry, fields), answer in zip(entries, answers, strict=True)
        ]

    async def _decode_parcels(self, entries: Sequence[tuple[bytes, dict[bytes, bytes] | None, int]]) -> list[Delivery]:
        deliveries: list[Delivery] = []
        bad: list[bytes] = []
        for entry, fields, attempts in entries:
            try:
                parcel = codec.decode_parcel(_data(fields))
            except BadMessage as exc:
                log.warning("skipped entry %s of the action bus: %s", entry.decode(), exc)
                bad.append(entry)
            else:
                deliveries.append(_Delivery(entry, parcel, attempts))
        if bad:
            try:
                await self._forget(bad)
            except BusLost as exc:
                # The good ones are in our hands and must not be dropped for it.
                log.warning("could not forget bad entries of the action bus: %s", exc)
        return deliveries

    async def _forget(self, entries: Sequence[bytes]) -> None:
        if entries:
            await self._writer.run_all(self._forgetting(entries))

    def _forgetting(self, entries: Sequence[bytes]) -> list[Command]:
        return [("XACK", self._actions, GROUP, *entries), ("XDEL", self._actions, *entries)]


def _entries_of(deliveries: Sequence[Delivery]) -> list[bytes]:
    return [delivery.entry for delivery in deliveries if isinstance(delivery, _Delivery)]


def _in_order(answer: Sequence[tuple[bytes, Entries]]) -> Iterable[_Entry]:
    """Put what was read of the streams in the order it was written in."""
    streams = [[_entry(stream, entry, fields) for entry, fields in entries] for stream, entries in answer]
    # Of a stream that was not read to its end the next entry may come before what the other one has.
    end = min((entries[-1].order[0] for entries in streams if len(entries) == READ_ENTRIES), default=math.inf)
    return takewhile(lambda entry: entry.order[0] <= end, merge(*streams, key=attrgetter("order")))


def _entry(stream: bytes, entry: bytes, fields: dict[bytes, bytes] | None) -> _Entry:
    try:
        batch = codec.decode_batch(_data(fields))
    except BadMessage as exc:
        log.warning("skipped entry %s of the update bus: %s", entry.decode(), exc)
        return _Entry((_order(entry)[0], 0), stream, entry, None)
    return _Entry((_order(entry)[0], batch.order), stream, entry, batch)


def _data(fields: dict[bytes, bytes] | None) -> bytes:
    """Return what an entry carries.

    Raises:
        BadMessage: It was deleted, or carries something else.

    """
    try:
        return (fields or {})[FIELD]
    except KeyError:
        raise BadMessage("no data in the entry") from None


def _order(entry: bytes) -> tuple[int, int]:
    """Return what the ids of entries are ordered by."""
    milliseconds, _, count = entry.partition(b"-")
    return int(milliseconds), int(count)
