"""The server of the buses dies under Sentinel, while clients write and look through a real front."""

import asyncio
import time
from collections.abc import Iterator

import asyncpg
import pytest

from broker.redis_bus import RedisFrontBus, RedisMultiplexerBus
from fluxwire.client import Client
from fluxwire.stack import binaries
from multiplexer.loop import Multiplexer
from multiplexer.settings import Settings
from tests.broker.servers import Guarded, guarded
from tests.front.running import GATE, running
from tests.services import scratch_folder

DEADLINE = 60.0
ROOM = {"room": "lobby"}


@pytest.fixture
def servers() -> Iterator[Guarded]:
    with scratch_folder() as folder, guarded(binaries.valkey(), folder) as servers:
        yield servers


async def test_failover(servers: Guarded, database18: str) -> None:
    """The replica is promoted, and everything heals: each action took effect once, in order, and the page shows all."""
    settings = Settings(database_url=database18, redis_url=servers.url, name="one", heartbeat=0.1, patience=0.5)
    ends = RedisFrontBus(servers.url, "n", "f"), RedisMultiplexerBus(servers.url, "n", "one")
    working = asyncio.create_task(Multiplexer(settings, ends[1]).run())
    token = GATE.sign("ada", now=time.time(), lifetime=600)
    async with (
        asyncio.timeout(DEADLINE),
        running(bus=ends[0]) as front,
        Client(f"ws://127.0.0.1:{front.port}/ws", token) as client,
    ):
        await client.dispatch("create_room", {**ROOM, "title": "Lobby"})
        await client.dispatch("join_room", ROOM)
        room = client.subscribe("room", ROOM)
        await room.ready()
        acknowledged = [client.dispatch("post_message", {**ROOM, "body": str(n)}) for n in range(20)]
        await asyncio.gather(*acknowledged)
        under_way = [client.dispatch("post_message", {**ROOM, "body": str(n)}) for n in range(20, 40)]
        servers.kill_first()
        under_way += [client.dispatch("post_message", {**ROOM, "body": str(n)}) for n in range(40, 60)]
        await asyncio.gather(*under_way)
        while len(room.document["messages"]) < 60:
            await room.changed(room.version)
        shown = sorted(room.document["messages"].values(), key=lambda message: message["sent_at"])
    working.cancel()
    await asyncio.gather(working, return_exceptions=True)
    for end in ends:
        await end.close()
    connection = await asyncpg.connect(database18)
    written = await connection.fetch("select body from chat.message order by sent_at")
    await connection.close()
    assert [row["body"] for row in written] == [str(n) for n in range(60)]
    assert [message["body"] for message in shown] == [str(n) for n in range(60)]
