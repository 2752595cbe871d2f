"""`fluxwire drain` on a real bus: who is told what, and what is refused."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from broker.messages import Drain, MultiplexerMessage
from broker.redis_bus import RedisFrontBus
from fluxwire.__main__ import main

DEADLINE = 20.0
Fronts = dict[str, RedisFrontBus]


@pytest.fixture
async def fronts(
    valkey: str, namespace: str, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[dict[str, RedisFrontBus]]:
    """Two fronts that are registered."""
    monkeypatch.setenv("REDIS_URL", valkey)
    monkeypatch.setenv("FLUXWIRE_NAMESPACE", namespace)
    buses = {name: RedisFrontBus(valkey, namespace, name) for name in ("one", "other")}
    for bus in buses.values():
        await bus.start()
        await bus.register([], [])
    yield buses
    for bus in buses.values():
        await bus.close()


async def drain(*words: str) -> int:
    return await asyncio.to_thread(main, ["drain", *words])


async def told(bus: RedisFrontBus) -> list[MultiplexerMessage]:
    async with asyncio.timeout(DEADLINE):
        while not (news := await bus.read()):
            pass
    return [message for message in news if isinstance(message, MultiplexerMessage)]


async def test_one_front(fronts: Fronts) -> None:
    """The front that was named is told to end, and no other one is told anything."""
    assert await drain("one") == 0
    assert await told(fronts["one"]) == [Drain(1.0)]
    assert await drain("--share", "0.25", "other") == 0
    assert await told(fronts["other"]) == [Drain(0.25)]


async def test_a_share_of_all(fronts: Fronts) -> None:
    """Without a name every front is meant, and told twice if it is said twice."""
    for share in ("0.3", "0.5"):
        assert await drain("--share", share) == 0
    for bus in fronts.values():
        said = await told(bus)
        assert said[0] == Drain(0.3)


async def test_refusals(fronts: Fronts, capsys: pytest.CaptureFixture[str]) -> None:
    """Nobody is told anything by a mistake: not all of all fronts, not one that is not there."""
    assert await drain() == 1
    assert "Name a front" in capsys.readouterr().err
    assert await drain("one", "third") == 1
    said = capsys.readouterr().err
    assert "There is no front third." in said
    assert "  one\n  other\n" in said
    assert await drain("other") == 0
    assert await told(fronts["other"]) == [Drain(1.0)]
    for share in ("0", "1", "x"):
        with pytest.raises(SystemExit):
            await drain("--share", share)


async def test_no_redis(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """What cannot be reached is named, without a traceback."""
    monkeypatch.setenv("REDIS_URL", "redis://127.0.0.1:1")
    assert await drain("one") == 1
    assert "Redis cannot be reached." in capsys.readouterr().err
