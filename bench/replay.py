"""``bench replay``: how fast a log builds its database anew, beside the hand-written insert of ``bench sql``.

And with how much memory: ``fluxwire replay`` runs as it is, and is watched with both sessions of the database it has.
"""

import asyncio
import os
import statistics
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import asyncpg  # noqa: TID251 -- what is measured is the database, with nobody between

from fluxwire.log.differences import differences
from fluxwire.log.logged import DatabaseLog, Until
from fluxwire.log.replay import replay
from fluxwire.log.target import Target
from multiplexer.engine import DISPATCH, SESSION, Sent

from .database import CHAT, Cluster, cluster, execute
from .figures import Curve, Figure, alone, compared
from .harness import Options, in_turn
from .processes import Broken, private
from .sql import BATCH, BY_HAND, BY_HAND_TABLES, FLOOR_CLIENTS, MEMBERS, ROOMS, ROOMS_AND_MEMBERS, Sender

FILLED = 500
"""Actions of one batch, where a log is made for its length alone."""
LOOK = 0.25
"""Seconds between two looks at what is held."""
POINTS = 200
"""Most that a curve has."""
WORKER = """
select pid from pg_stat_activity
where datname = current_database() and backend_type = 'client backend' and pid <> pg_backend_pid()
order by backend_start limit 1
"""


def run(options: Options) -> Iterator[Figure]:
    """Measure the figures of ``replay``."""
    if options.wants("replay.per_s", "replay.vs_insert", "replay.verify_share"):
        yield from _rate(options)
    if options.wants("replay.memory_growth_kb"):
        yield _memory(options)


def _rate(options: Options) -> Iterator[Figure]:
    rounds, batches, seconds = (2, 20, 2) if options.quick else (5, 500, 10)
    with cluster() as servers:
        source = servers.database()
        asyncio.run(_act(source, batches))
        by_hand = servers.database()
        execute(by_hand, ROOMS_AND_MEMBERS + BY_HAND_TABLES)
        replaying: list[float] = []
        comparing: list[float] = []

        def again() -> float:
            replayed, compared_in = _again(servers, source, batches * BATCH)
            replaying.append(replayed)
            comparing.append(compared_in)
            return batches * BATCH / replayed

        def insert() -> float:
            return servers.pgbench(by_hand, BY_HAND, clients=FLOOR_CLIENTS, seconds=seconds)

        sides = {"replay": again, "by hand": insert}
        rates = in_turn(sides, rounds=rounds, say=lambda name, rate: options.say(f"  {name} {rate:,.0f}/s"))
    ours, floor = rates["replay"], rates["by hand"]
    peer = "pgbench, 32 clients, hand-written insert of message and log row"
    yield alone("replay.per_s", ours, "actions/s", ">= 15000")
    yield compared("replay.vs_insert", ours, "actions/s", peer=peer, peers=floor, target=">= 0.9")
    peer = "the replay; what a verification does besides"
    yield compared("replay.verify_share", comparing, "s", peer=peer, peers=replaying, target="<= 0.5")


def _again(servers: Cluster, source: str, actions: int) -> tuple[float, float]:
    """Replay, and compare: the seconds that each takes."""
    target = servers.database()
    execute(target, ROOMS_AND_MEMBERS)
    began = time.perf_counter()
    assert asyncio.run(_replay(source, target)) == actions
    replayed = time.perf_counter()
    asyncio.run(_compare(source, target))
    return replayed - began, time.perf_counter() - replayed


async def _compare(source: str, target: str) -> None:
    sides = [await asyncpg.connect(url, server_settings=dict(SESSION)) for url in (source, target)]
    # Rooms and members were made beside the log, at another time.
    assert {found.name for found in await differences(*sides) if found.kind == "table"} <= {"chat.room", "chat.member"}
    for side in sides:
        await side.close()


async def _act(url: str, batches: int) -> None:
    sender = await Sender.connect(url)
    await sender.rate(batches)
    await sender.close()


async def _replay(source: str, into: str) -> int:
    connection = await asyncpg.connect(source)
    try:
        async with Target.open(into) as target, connection.transaction(isolation="repeatable_read"):
            return await replay(DatabaseLog(connection), target, Until(), lambda _done, _total: None)
    finally:
        await connection.close()


def _memory(options: Options) -> Figure:
    actions = 10_000 if options.quick else 1_000_000
    with cluster() as servers:
        source, target = servers.database(), servers.database()
        asyncio.run(_fill(source, actions))
        execute(target, ROOMS_AND_MEMBERS)
        options.say(f"  a log of {actions:,} actions is there")
        environment = {**os.environ, "DATABASE_URL": source}
        command = [sys.executable, "-m", "fluxwire", "replay", "--into", target, "--application", str(CHAT)]
        with subprocess.Popen(
            command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        ) as process:
            held = asyncio.run(_watch(process, source, target))
    if process.returncode != 0:
        raise Broken(f"the replay ended with {process.returncode}")
    for name, course in held.items():
        options.say(f"  {name}: {course[0][1]:.1f} MB at first, {course[-1][1]:.1f} MB at last")
    growth = sum(map(_growth, held.values())) * 1024
    curves = [Curve(name, "actions", "MB", course[:: -(-len(course) // POINTS)]) for name, course in held.items()]
    return alone("replay.memory_growth_kb", [growth], "KB", "<= 4096", curves=curves)


def _growth(course: list[tuple[float, float]]) -> float:
    """How much more was held in the last third than in the second, in the median."""
    third = len(course) // 3
    second, last = course[third : 2 * third], course[-third:]
    return statistics.median(held for _, held in last) - statistics.median(held for _, held in second)


async def _fill(url: str, actions: int) -> None:
    """Make a log of so many messages, as fast as it goes."""
    connection = await asyncpg.connect(url, server_settings={**SESSION, "synchronous_commit": "off"})
    await connection.execute(ROOMS_AND_MEMBERS)
    term = await connection.fetchval("select flux.take_lead(term, 'bench') from flux.term")
    for start in range(0, actions, FILLED):
        sent = [
            Sent(
                f"u{number % MEMBERS}", "{}", "bench", 0, number // MEMBERS + 1, "post_message",
                f'{{"room": "r{number % ROOMS}", "body": "hello, this is message {number} of usual length"}}',
                refusal=None,
            )
            for number in range(start, start + FILLED)
        ]  # fmt: skip
        row = await connection.fetchrow(DISPATCH, term, sent, None)
        assert row is not None
        assert {outcome["status"] for outcome in row["outcomes"]} == {"ok"}, row["outcomes"][0]
    await connection.close()


async def _watch(process: subprocess.Popen[bytes], source: str, target: str) -> dict[str, list[tuple[float, float]]]:
    """Look at what is held while a replay runs: how far it is, and MB, of each of the three."""
    held: dict[str, list[tuple[float, float]]] = {name: [] for name in ("replay", "its session", "that of the log")}
    async with _looking(source) as of_log, _looking(target) as of_target:
        while process.poll() is None:
            pids = [process.pid, *[await side.fetchval(WORKER) for side in (of_target, of_log)]]
            done = await of_target.fetchval("select seq from flux.latest()")
            if done and None not in pids:
                for course, pid in zip(held.values(), pids, strict=True):
                    course.append((done, private(pid) / 1e6))
            await asyncio.sleep(LOOK)
    return {name: [point for point in course if point[1]] for name, course in held.items()}


@asynccontextmanager
async def _looking(url: str) -> "AsyncIterator[asyncpg.Connection[asyncpg.Record]]":
    connection = await asyncpg.connect(url)
    try:
        yield connection
    finally:
        await connection.close()
