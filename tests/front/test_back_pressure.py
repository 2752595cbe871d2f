"""A front between clients and a bus that is full, or that tells it to end somebody's connections."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from redis.asyncio import Redis

from broker.conformance import until
from broker.memory_bus import MemoryBus
from broker.messages import Kick
from broker.redis_bus import RedisFrontBus, RedisMultiplexerBus
from fluxwire.client import Client, Stopped
from front.frames import Dispatch, StoreRequest, Subscribe
from front.gates import Identity

from .running import GATE, Multiplexer, running, soon, turn_until
from .wire import Letterbox

TICKS = 20


def token(actor: str) -> str:
    return GATE.sign(actor, now=time.time(), lifetime=60)


@asynccontextmanager
async def answered(multiplexer: Multiplexer) -> AsyncIterator[None]:
    """A multiplexer at work."""
    work = asyncio.create_task(multiplexer.run())
    yield
    work.cancel()
    await asyncio.gather(work, return_exceptions=True)


async def test_a_full_bus_makes_clients_wait_and_loses_nothing() -> None:
    """While nobody takes parcels clients are told to wait; then everything happens once, in each client's order."""
    memory = MemoryBus(quiet=0.05)
    multiplexer = Multiplexer(memory.multiplexer())
    async with running(bus=memory.front("f", most=3)) as front:
        url = f"ws://127.0.0.1:{front.port}/ws"
        async with Client(url, token("ada")) as ada, Client(url, token("bob")) as bob:
            sent = [client.dispatch("a", {"n": n}) for n in range(300) for client in (ada, bob)]
            await turn_until(lambda: front.server.hub.full)
            sent += [client.dispatch("a", {"n": n}) for n in range(300, 900) for client in (ada, bob)]
            await turn_until(lambda: {one._session._dispatches._send_again for one in (ada, bob)} == {"busy"})
            assert not any(action.settled_at for action in sent)
            async with answered(multiplexer):
                await soon(asyncio.gather(*sent))
            assert (ada.connects, bob.connects) == (1, 1)
    for actor in ("ada", "bob"):
        # What was in the front's hands may have been sent again meanwhile; the database passes over that.
        numbers = [action.number for action in multiplexer.actions if action.actor == actor]
        assert list(dict.fromkeys(numbers)) == list(range(1, 901))


async def test_a_kick_ends_an_actors_connections() -> None:
    """All of them are closed with 4004 and the reason, after what they are owed; others stay."""
    memory = MemoryBus(quiet=0.05)
    multiplexer = Multiplexer(memory.multiplexer())
    async with running(bus=memory.front("f")) as front, answered(multiplexer):
        url = f"ws://127.0.0.1:{front.port}/ws"
        async with Client(url, token("bob")) as bob, front.client() as one, front.client() as two:
            ada = Client(url, token("ada"))
            await ada.connect()
            directory = memory.multiplexer()

            async def found() -> list[str]:
                return (await directory.find((), ["ada"])).actors.get("ada", [])

            async def gone() -> list[bool]:
                return [] if await found() else [True]

            assert await until(found, 1) == ["f"]
            await multiplexer.bus.send({"f": [Kick("ada", "Be nice.")]})
            assert (await one.code(), one.socket.close_reason) == (4004, "Be nice.")
            assert await two.code() == 4004
            assert ada._task is not None
            with pytest.raises(Stopped, match="4004 Be nice"):
                await soon(ada._task)
            await soon(bob.dispatch("a"))
            await until(gone, 1)
            await ada.close()


async def test_commands_do_not_grow_with_clients(valkey: str, namespace: str) -> None:
    """Redis is asked as often for a thousand clients as for ten: by front and tick."""
    counts = {clients: await commands(valkey, f"{namespace}-{clients}", clients) for clients in (10, 1000)}
    assert counts[10] > TICKS
    assert counts[1000] <= 1.1 * counts[10]


async def commands(valkey: str, namespace: str, clients: int) -> int:
    """Count commands of ticks with ten actions each, with so many clients that hold a store."""
    multiplexer = Multiplexer(RedisMultiplexerBus(valkey, namespace, "m"))
    bus = RedisFrontBus(valkey, namespace, "f")
    redis = Redis.from_url(valkey)
    async with running(bus=bus) as front, answered(multiplexer):
        hub, now = front.server.hub, front.server.now()
        holders = [hub.opened(Identity(f"actor {n}", "{}"), str(n), wire=Letterbox(), window=0) for n in range(clients)]
        for holder in holders:
            hub.receive(holder, Subscribe([StoreRequest(1, "a")]), now)
        front.server.flush_soon()
        await turn_until(lambda: all("a{}" in (one.key or "") for one in holders[-1].subscriptions.values()))
        await redis.config_resetstat()
        for tick in range(TICKS):
            for holder in holders[:10]:
                hub.receive(holder, Dispatch(tick + 1, "a"), now)
            front.server.flush_soon()
            await turn_until(lambda: not hub._busy)
        stats = await redis.info("commandstats")
    await multiplexer.bus.close()
    await bus.close()
    await redis.aclose()
    # Those that depend on how long it took are left out: a quiet reader asks once a second.
    ours = {name: stat["calls"] for name, stat in stats.items() if name[8:] in {"xadd", "xlen", "xack", "xdel", "sadd"}}
    return sum(ours.values())
