"""`fluxwire connections`, `kick` and `revoke`, on a real bus with a real front."""

import asyncio
import json
from collections.abc import AsyncIterator

import pytest

from broker.redis_bus import RedisFrontBus, RedisMultiplexerBus
from fluxwire.__main__ import main
from tests.front.running import Multiplexer, Running, running
from tests.front.test_stream import hello, listening, stores


@pytest.fixture
async def multiplexer(valkey: str, namespace: str) -> AsyncIterator[Multiplexer]:
    bus = RedisMultiplexerBus(valkey, namespace, "m")
    answering = Multiplexer(bus)
    work = asyncio.create_task(answering.run())
    yield answering
    work.cancel()
    await asyncio.gather(work, return_exceptions=True)
    await bus.close()


@pytest.fixture
async def front(
    valkey: str, namespace: str, multiplexer: Multiplexer, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Running]:
    monkeypatch.setenv("REDIS_URL", valkey)
    monkeypatch.setenv("FLUXWIRE_NAMESPACE", namespace)
    bus = RedisFrontBus(valkey, namespace, "f")
    async with running(bus=bus) as made:
        yield made
    await bus.close()


async def command(*words: str) -> int:
    return await asyncio.to_thread(main, words)


async def known(front: Running, actor: str) -> None:
    """Wait until everybody may know that an actor is there."""
    async with asyncio.timeout(20):
        while await command("connections", actor):
            pass


async def test_who_is_where(front: Running, capsys: pytest.CaptureFixture[str]) -> None:
    """Every WebSocket and stream of an actor is told, and nobody else's."""
    async with (
        front.client(),
        listening(front, hello(client="tab-2"), stores("a", "b")),
        front.client(hello=False) as bob,
    ):
        await bob.hello("bob")
        await known(front, "ada")
        capsys.readouterr()
        assert await command("connections", "ada", "--json") == 0
        told = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
        assert sorted((one["client"], one["over"], one["stores"]) for one in told) == [
            ("c", "websocket", 0),
            ("tab-2", "events", 2),
        ]
        assert {one["front"] for one in told} == {"f"}
        assert all(0 <= one["seconds"] < 60 and not one["blocked"] for one in told)
        assert await command("connections", "ada") == 0
        assert "  client tab-2  from this machine" in capsys.readouterr().out
        assert await command("connections", "eve") == 1
        assert "eve has no connection." in capsys.readouterr().err


async def test_a_kick(front: Running, capsys: pytest.CaptureFixture[str]) -> None:
    """All of an actor's connections end with the reason, and nobody else's."""
    async with front.client() as ada, front.client(hello=False) as bob:
        await bob.hello("bob")
        await known(front, "ada")
        assert await command("kick", "ada", "--reason", "Be nice.") == 0
        assert await ada.code() == 4004
        assert ada.socket.close_reason == "Be nice."
        await bob.say(type="ping")
        assert await bob.hear() == {"type": "pong"}
    assert await command("kick", "eve") == 1
    assert "eve has no connection." in capsys.readouterr().err


async def test_a_revocation(front: Running, multiplexer: Multiplexer) -> None:
    """Whoever holds the store is asked about anew, and who may not read it any more loses it at once."""
    async with front.client() as ada:
        await ada.subscribe(1, "a")
        multiplexer.truth.denied = "forbidden"
        assert await command("revoke", "a") == 0
        frame = await ada.hear()
        assert (frame["type"], frame["id"], frame["error"]["code"]) == ("unsubscribed", 1, "forbidden")
