"""``bench replay``: how fast a log builds its database anew, beside the hand-written insert of ``bench sql``."""

import asyncio
import time
from collections.abc import Iterator

import asyncpg  # noqa: TID251 -- what is measured is the database, with nobody between

from fluxwire.log.differences import differences
from fluxwire.log.logged import DatabaseLog, Until
from fluxwire.log.replay import replay
from fluxwire.log.target import Target
from multiplexer.engine import SESSION

from .database import Cluster, cluster
from .figures import Figure, alone, compared
from .harness import Options, in_turn
from .sql import BATCH, BY_HAND, BY_HAND_TABLES, FLOOR_CLIENTS, ROOMS_AND_MEMBERS, Sender


def run(options: Options) -> Iterator[Figure]:
    """Measure the figures of ``replay``."""
    rounds, batches, seconds = (2, 20, 2) if options.quick else (5, 500, 10)
    if not options.wants("replay.per_s", "replay.vs_insert", "replay.verify_share"):
        return
    with cluster() as servers:
        source = servers.database()
        asyncio.run(_act(source, batches))
        by_hand = servers.database()
        asyncio.run(_execute(by_hand, ROOMS_AND_MEMBERS + BY_HAND_TABLES))
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
    asyncio.run(_execute(target, ROOMS_AND_MEMBERS))
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


async def _execute(url: str, statements: str) -> None:
    connection = await asyncpg.connect(url)
    await connection.execute(statements)
    await connection.close()


async def _replay(source: str, into: str) -> int:
    connection = await asyncpg.connect(source)
    try:
        async with Target.open(into) as target, connection.transaction(isolation="repeatable_read"):
            return await replay(DatabaseLog(connection), target, Until(), lambda _done, _total: None)
    finally:
        await connection.close()
