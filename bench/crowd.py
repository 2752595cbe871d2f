"""A crowd in rooms on the whole stack: what messages at some rate cost each process, and how often each did what.

Used by what asks how costs grow (``bench scale``) and by what computes them beforehand (``bench plan``).
"""

import asyncio
import itertools
import json
import random
import re
import secrets
import struct
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import asyncpg  # noqa: TID251 -- rooms and members are made, and the log is measured, past all that is measured

from fluxwire.stack.ports import free_port

from .database import Cluster
from .processes import Broken, Process, compiled, running
from .sessions import packed, request, text
from .stack import Stack, get, stack

DAY = 86_400.0  # seconds
FLIGHT, WAIT = 64, 10.0
MESSAGE = struct.Struct("<dIIII")
MARK = "#{:08d}"
"""What a text begins with, so that clients know it again."""
WRITERS = 4
"""How many of a room's members write, and are on its list of members."""
OF_MESSAGES = ("xadd", "xread", "xreadgroup", "xack", "xdel", "multi", "exec")
"""Commands of Redis that actions and what comes of them take; what else there is a front takes by the second."""
METRIC = re.compile(r"^fluxwire_(\w+?)(?:\{[^}]*\})? ([0-9.e+-]+)$", re.MULTILINE)
# 100 rooms, of which a crowd may use fewer.
MAKE = "insert into chat.room select 'r' || i, 'r' || i, 'x', now() from generate_series(0, 99) as i"
# Whichever rooms a crowd has: client i is in room i modulo their number.
JOIN = """
insert into chat.member
select distinct 'r' || i % rooms, 'a' || i, 'a' || i, now()
from generate_series(1, 100) as rooms, generate_series(0, 4 * rooms - 1) as i
"""
# A window that is full evicts a message for each that comes, which is how a room is all its life.
FILL = """
insert into chat.message
select gen_random_uuid(), 'r' || i % 100, 'a' || i, repeat('.', 100), now() - interval '1 day'
from generate_series(0, 100 * 100 - 1) as i
"""
DECLARE = """
create function stores.mine(slot text) returns jsonb language sql stable
as $$ select jsonb_build_object('slot', mine.slot, 'text', repeat('.', 200)) $$;
select flux.declare_store('mine', private => true);
select flux.refresh();
"""
STORED = """
select
  pg_current_wal_lsn() - '0/0'::pg_lsn as wal,
  (
    select sum(pg_total_relation_size(c.oid)) from pg_class c
    where c.relkind = 'r' and c.relnamespace = 'flux'::regnamespace and c.relname ~ '^action'
  ) as log,
  pg_total_relation_size('chat.message') as messages
"""


@dataclass(frozen=True, slots=True)
class Stage:
    """A stack of which crowds come and go."""

    whole: Stack
    url: str
    status: int
    """The port on which the multiplexer tells of itself."""
    folder: Path
    ports: Sequence[int]
    """Where clients come: at the fronts, or at HAProxy before them."""
    fronts: int
    tick_ms: int
    numbers: Iterator[int] = field(default_factory=itertools.count)
    """Of messages: a crowd sees those of the crowd before it in its rooms."""


@dataclass(frozen=True, slots=True)
class Size:
    """Of a crowd; client i is in room i modulo ``rooms``."""

    clients: int
    rooms: int
    length: int = 100
    """Bytes of a message's text."""
    private: int = 0
    """How many private stores each client holds beside its room."""

    @property
    def frames(self) -> int:
        """How many text frames a client gets before it is there: welcome, and two a store."""
        return 3 + 2 * self.private


@dataclass(frozen=True, slots=True)
class Came:
    """What it took until everybody was there."""

    cpu: dict[str, float]
    """Seconds of processor time by kind of process."""
    memory: dict[str, float]
    """Bytes that were added, by kind of process."""
    before: dict[str, float]
    """Bytes that were there before, by kind of process."""
    bytes: float
    """To clients."""


@dataclass(frozen=True, slots=True)
class Ran:
    """What some seconds of messages took."""

    seconds: float
    messages: int
    deliveries: int
    cpu: dict[str, float]
    """Seconds of processor time by kind of process: front, multiplexer, valkey, postgres."""
    counts: dict[str, float]
    """How often what happened: batches, updates, writes, bytes, commands and others."""
    stored: dict[str, float] = field(default_factory=dict)
    """Bytes that Postgres wrote: wal, log, messages."""
    load: float = 0.0
    """How busy the clients were, of a core."""


class Crowd:
    """A crowd that is there, and takes turns in writing."""

    def __init__(self, stage: Stage, size: Size, load: Process) -> None:
        self.stage = stage
        self.size = size
        self.came = Came({}, {}, {}, 0.0)
        self._whole = stage.whole
        self._load = load
        self._sent: Counter[int] = Counter()

    def play(self, rate: float, seconds: float, *, seed: int = 1) -> Ran:
        """Have messages come at random times, to rooms at random.

        Args:
            rate: Messages a second, in all rooms together.
            seconds: For how long.
            seed: Of when they come and where.

        Raises:
            Broken: A message did not reach everybody in its room exactly once.

        """
        path = self.stage.folder / "play"
        path.write_bytes(b"".join(self._messages(rate, seconds, random.Random(seed))))  # noqa: S311 -- repeatable
        before, counts, stored, busy = self.cpu(), self._counts(), self._stored(), self._load.cost().ran
        answer = self._load.order(f"play {path} 0 {WAIT}")
        if answer["delivered"] != answer["expected"] or answer["twice"] or answer["astray"]:
            raise Broken(f"{self.size}: {answer}")
        busy = self._load.cost().ran - busy
        return Ran(
            seconds=answer["seconds"],
            messages=answer["messages"],
            deliveries=answer["delivered"],
            cpu=_since(self.cpu(), before),
            counts=_since(self._counts(), counts),
            stored=_since(self._stored(), stored),
            load=busy / answer["seconds"],
        )

    def open(self) -> None:
        """Let everybody come.

        Raises:
            Broken: Somebody could not.

        """
        size = self.size
        sessions = self.stage.folder / "sessions"
        # A front keeps for a while what a crowd before this one held.
        slots = secrets.token_hex(4)
        openings = (_opening(self._whole, size, client, slots) for client in range(size.clients))
        sessions.write_bytes(packed(itertools.chain.from_iterable(openings)))
        self._load.order(f"sessions {sessions}")
        before, held, said = self.cpu(), self.memory(), self._counts()["bytes"]
        answer = self._load.order(f"open {size.clients} {FLIGHT} {size.frames}")
        if answer["opened"] != size.clients:
            raise Broken(f"{size}: {answer}")
        said = self._counts()["bytes"] - said
        self.came = Came(_since(self.cpu(), before), _since(self.memory(), held), held, said)

    def cpu(self) -> dict[str, float]:
        """Seconds of processor time so far, by kind of process."""
        return _by_kind(self._whole.costs())

    def memory(self) -> dict[str, float]:
        """Bytes that processes have for themselves, by kind."""
        return _by_kind(self._whole.memory())

    def _messages(self, rate: float, seconds: float, chance: random.Random) -> Iterator[bytes]:
        size, due = self.size, 0.0
        places: Counter[int] = Counter()
        while (due := due + chance.expovariate(rate)) < seconds:
            room = chance.randrange(size.rooms)
            sender = room + size.rooms * chance.randrange(min(WRITERS, size.clients // size.rooms))
            self._sent[sender] += 1
            number = next(self.stage.numbers)
            params = {"room": f"r{room}", "body": MARK.format(number).ljust(size.length, ".")}
            action = {"type": "dispatch", "number": self._sent[sender], "name": "post_message", "params": params}
            said = text(json.dumps(action))
            yield MESSAGE.pack(due, sender, number, places[room], len(said)) + said
            places[room] += 1

    def _counts(self) -> dict[str, float]:
        """What has happened so far, by name."""
        fronts: Counter[str] = Counter()
        for port in self._whole.ports:
            fronts.update(_metrics(port))
        multiplexer = _metrics(self.stage.status)
        commands = asyncio.run(self._whole.commands())
        traffic = asyncio.run(self._whole.traffic())
        return {
            "batches": multiplexer["multiplexer_batches_total"],
            "batch_seconds": multiplexer["multiplexer_batch_seconds_sum"],
            "published": multiplexer["multiplexer_updates_total"],
            "taken": fronts["updates_total"],
            "writes": fronts["deliveries_total"],
            "bytes": fronts["bytes_total"],
            "commands": sum(commands.values()),
            **{f"redis_{name}": count for name, count in traffic.items()},
            **{name: commands.get(name, 0) for name in OF_MESSAGES},
        }

    def _stored(self) -> dict[str, float]:
        return asyncio.run(_stored(self.stage.url))


@contextmanager
def stage(servers: Cluster, *, fronts: int = 1, tick_ms: int = 4, balanced: bool = False) -> Iterator[Stage]:
    """Run a stack over a database of its own, with rooms that have been written in for long.

    Args:
        servers: The cluster of the database.
        fronts: How many.
        tick_ms: How far apart their writes are at least, in milliseconds.
        balanced: Whether HAProxy is before them.

    """
    with ExitStack() as up:
        folder = Path(up.enter_context(tempfile.TemporaryDirectory(prefix="fluxwire-bench-")))
        url = servers.database()
        asyncio.run(_prepare(url))
        status = free_port()
        settings = {
            "FLUXWIRE_METRICS": "1",
            "FLUXWIRE_STATUS_PORT": str(status),
            "FLUXWIRE_TICK_MS": str(tick_ms),
        }
        whole = up.enter_context(stack(servers, url, folder, fronts=fronts, settings=settings, balanced=balanced))
        yield Stage(whole, url, status, folder, whole.doors, fronts, tick_ms)


@contextmanager
def crowd(place: Stage, size: Size) -> Iterator[Crowd]:
    """Have a crowd come, and go at the end.

    Args:
        place: Where.
        size: Of the crowd.

    """
    with running([compiled("chat"), str(size.rooms), *map(str, place.ports)], core=None) as load:
        load.line()
        come = Crowd(place, size, load)
        come.open()
        yield come


def _opening(whole: Stack, size: Size, client: int, slots: str) -> tuple[bytes, bytes]:
    """The request for the upgrade, and what follows it."""
    token = whole.gate.sign(f"a{client}", now=time.time(), lifetime=DAY)
    stores = [{"id": 1, "name": "room", "params": {"room": f"r{client % size.rooms}"}}]
    stores += [{"id": 2 + slot, "name": "mine", "params": {"slot": f"{slots}-{slot}"}} for slot in range(size.private)]
    hello = f'{{"type":"hello","protocols":[1],"token":"{token}","client":"{secrets.token_hex(8)}"}}'
    return request("/ws"), text(hello) + text(json.dumps({"type": "subscribe", "stores": stores}))


def _by_kind(figures: dict[str, float]) -> dict[str, float]:
    """Add up processes of a kind, whose names differ by a number after a space."""
    kinds: Counter[str] = Counter()
    for name, value in figures.items():
        kinds[name.partition(" ")[0]] += value  # type: ignore[assignment]
    return dict(kinds)


def _since(after: dict[str, float], before: dict[str, float]) -> dict[str, float]:
    return {name: value - before[name] for name, value in after.items()}


def _metrics(port: int) -> Counter[str]:
    found: Counter[str] = Counter()
    for name, value in METRIC.findall(get(port, "/metrics")):
        found[name] += float(value)  # type: ignore[assignment]
    return found


async def _prepare(url: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        for statement in (MAKE, JOIN, FILL, DECLARE, "vacuum analyze"):
            await connection.execute(statement)
    finally:
        await connection.close()


async def _stored(url: str) -> dict[str, float]:
    connection = await asyncpg.connect(url)
    try:
        row = await connection.fetchrow(STORED)
        assert row is not None
        return {name: float(value) for name, value in row.items()}
    finally:
        await connection.close()
