"""The bus on Redis Streams keeps the promises of a bus, on a real server, whatever happens to that."""

import asyncio
import logging
import re
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from broker import codec, redis_bus, redis_connection
from broker.bus import Missed
from broker.conformance import DEADLINE, Conformance, hear, lead, numbers, parcel, take, until
from broker.errors import BusLost
from broker.messages import Lead
from broker.redis_bus import RedisFrontBus, RedisMultiplexerBus
from broker.registry import LEASE, Changes
from fluxwire.stack import binaries
from fluxwire.stack.valkey import Valkey
from tests.services import running, scratch_folder

from .cluster import RedisCluster


@pytest.fixture
async def cluster(valkey: str, namespace: str) -> AsyncIterator[RedisCluster]:
    cluster = RedisCluster(valkey, namespace)
    yield cluster
    await cluster.close()


class TestRedisBus(Conformance):
    pass


async def test_actions_are_deleted(cluster: RedisCluster) -> None:
    """The stream of actions holds what is under way and no more."""
    front, multiplexer = cluster.front("f"), cluster.multiplexer("m")
    for number in range(10):
        await front.append(parcel(number))
    await multiplexer.acknowledge((await take(multiplexer, 10))[:9])
    assert await cluster.length("actions") == 1


async def test_bad_parcel(cluster: RedisCluster, caplog: pytest.LogCaptureFixture) -> None:
    """Bytes that are no parcel are logged, deleted and in nobody's way."""
    front, multiplexer = cluster.front("f"), cluster.multiplexer("m")
    stream = f"{cluster.namespace}:actions"
    await cluster.redis.xadd(stream, {"data": b"\xc1nonsense"})
    await cluster.redis.xadd(stream, {"other": b"field"})
    await front.append(parcel(1))
    with caplog.at_level(logging.WARNING):
        deliveries = await take(multiplexer, 1)
    assert numbers(deliveries) == [1]
    assert len(re.findall("skipped entry", caplog.text)) == 2
    await multiplexer.acknowledge(deliveries)
    assert await cluster.length("actions") == 0
    assert await multiplexer.take_over(0) == []


async def test_bad_update(cluster: RedisCluster, caplog: pytest.LogCaptureFixture) -> None:
    """Bytes that are no messages are logged and skipped, on both streams a front reads."""
    front, multiplexer = cluster.front("f"), cluster.multiplexer("m")
    await front.start()
    for stream in ("updates", "front:f"):
        await cluster.redis.xadd(f"{cluster.namespace}:{stream}", {"data": b"\xc1"})
    await multiplexer.publish(lead(1))
    await multiplexer.send({"f": lead(2)})
    with caplog.at_level(logging.WARNING):
        assert sorted(await hear(front, 2), key=repr) == lead(1, 2)
    assert len(re.findall("skipped entry", caplog.text)) == 2


async def test_trimming(cluster: RedisCluster, monkeypatch: pytest.MonkeyPatch) -> None:
    """The shared stream is trimmed; a front that lagged behind goes on in order up to the newest."""
    monkeypatch.setattr(redis_bus, "MAX_ENTRIES", 100)
    front, multiplexer = cluster.front("f"), cluster.multiplexer("m")
    await front.start()
    for term in range(1000):
        await multiplexer.publish(lead(term))
    # Redis trims by whole nodes of up to 100 entries.
    kept = await cluster.length("updates")
    assert 100 <= kept <= 200
    assert await hear(front, kept) == lead(*range(1000 - kept, 1000))


async def test_own_stream_is_bounded(cluster: RedisCluster) -> None:
    """A front deletes what it has read of its own stream, which goes away by itself in the end."""
    front, multiplexer = cluster.front("f"), cluster.multiplexer("m")
    await front.start()
    for term in range(1000):
        await multiplexer.send({"f": lead(term)})
    assert await cluster.length("front:f") == 1000
    await hear(front, 1000)
    await front.read()
    assert await cluster.length("front:f") <= 100
    assert 0 < await cluster.redis.ttl(f"{cluster.namespace}:front:f") <= redis_bus.OWN_STREAM_SECONDS


async def test_woken_once(cluster: RedisCluster) -> None:
    """A front that waits is woken once by what one call sends to it and publishes. (Redis 7 wakes it twice.)"""
    front, multiplexer = cluster.front("f"), cluster.multiplexer("m")
    await front.start()
    for term in range(0, 40, 2):
        reading = asyncio.create_task(until(front.read, 1))
        await asyncio.sleep(0)
        await multiplexer.send({"f": lead(term)}, everyone=lead(term + 1))
        assert await reading == lead(term, term + 1)


async def test_numbering_begins_anew_below(cluster: RedisCluster) -> None:
    """A server that comes back empty with an earlier clock is read on from its beginning."""
    front, multiplexer = cluster.front("f"), cluster.multiplexer("m")
    far = "9999999999999-1"
    await front.start()
    for stream in ("updates", "front:f"):
        await cluster.redis.xadd(
            f"{cluster.namespace}:{stream}", {"data": codec.encode_batch(codec.Batch("x", 1, 1, lead(1)))}, id=far
        )
    await cluster.redis.xadd(f"{cluster.namespace}:actions", {"data": codec.encode_parcel(parcel(1))}, id=far)
    await hear(front, 2)
    await take(multiplexer, 1)
    await cluster.flush()
    await multiplexer.publish(lead(3))
    await multiplexer.send({"f": lead(4)})
    await cluster.front("f").append(parcel(2))
    assert sorted(await hear(front, 2), key=repr) == lead(3, 4)
    assert numbers(await take(multiplexer, 1)) == [2]


async def test_lost_answer_keeps_order(cluster: RedisCluster, monkeypatch: pytest.MonkeyPatch) -> None:
    """What Redis handed out in an answer that got lost comes first in the next one."""
    front, multiplexer = cluster.front("f"), cluster.multiplexer("m")
    for number in range(4):
        await front.append(parcel(number))
    assert isinstance(multiplexer, RedisMultiplexerBus)
    assert numbers(await take(multiplexer, 1, limit=1)) == [0]
    with monkeypatch.context() as patch:
        run = multiplexer._reader.run

        async def lose(*command: bytes | str | int) -> object:
            await run(*command)
            raise BusLost("the answer was lost")

        patch.setattr(multiplexer._reader, "run", lose)
        with pytest.raises(BusLost):
            await multiplexer.receive(2)
    assert numbers(await take(multiplexer, 3, limit=10)) == [1, 2, 3]
    assert numbers(await multiplexer.take_over(0)) == [0, 1, 2, 3]


async def test_wrong_kind_of_key(cluster: RedisCluster) -> None:
    """Whatever Redis has against a command, it is BusLost."""
    for key in ("actions", "updates", "front:f"):
        await cluster.redis.set(f"{cluster.namespace}:{key}", "in the way")
    front, multiplexer = cluster.front("f"), cluster.multiplexer("m")
    for call in (
        front.start(),
        front.append(parcel(1)),
        front.read(),
        multiplexer.receive(1),
        multiplexer.take_over(0),
        multiplexer.publish(lead(1)),
        multiplexer.send({"f": lead(1)}),
    ):
        with pytest.raises(BusLost, match="WRONGTYPE"):
            await call


async def test_nobody_there(tmp_path: Path) -> None:
    """Without a server every call is BusLost."""
    url = f"unix://{tmp_path}/nothing.sock"
    front, multiplexer = RedisFrontBus(url, "n", "f"), RedisMultiplexerBus(url, "n", "m")
    for call in (front.start(), front.append(parcel(1)), front.read(), multiplexer.receive(1)):
        with pytest.raises(BusLost):
            await call
    await front.close()
    await multiplexer.close()


async def test_silent_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A connection on which no answer comes is given up after a while."""
    monkeypatch.setattr(redis_connection, "ANSWER_SECONDS", 0.1)
    over = asyncio.Event()

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await over.wait()
        writer.close()

    server = await asyncio.start_unix_server(silent, tmp_path / "silent.sock")
    front = RedisFrontBus(f"unix://{tmp_path}/silent.sock", "n", "f")
    async with asyncio.timeout(DEADLINE):
        with pytest.raises(BusLost):
            await front.append(parcel(1))
    over.set()
    await front.close()
    server.close()
    await server.wait_closed()


async def test_cancelled_reader(cluster: RedisCluster) -> None:
    """A reader that is cancelled ends as cancelled, and the end can be used on."""
    front, multiplexer = cluster.front("f"), cluster.multiplexer("m")
    await front.start()
    reading = asyncio.create_task(front.read())
    await front.append(parcel(1))
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading
    await multiplexer.publish(lead(1))
    assert await hear(front, 1) == lead(1)


@pytest.fixture
def folder() -> Iterator[Path]:
    with scratch_folder() as folder:
        yield folder


async def test_restart(folder: Path) -> None:
    """A server that is killed and comes back empty is BusLost meanwhile, and is used on afterwards."""
    server = Valkey(server=binaries.valkey(), socket=folder / "valkey.sock", log=folder / "log")
    front = RedisFrontBus(server.url(), "n", "f")
    multiplexer = RedisMultiplexerBus(server.url(), "n", "m")
    with running(server.program(), lambda _pid: server.ready()):
        await front.start()
        await front.append(parcel(1))
        await take(multiplexer, 1)
        await multiplexer.publish(lead(1))
        assert await hear(front, 1) == lead(1)
        reading = asyncio.create_task(hear(front, 2))
        receiving = asyncio.create_task(take(multiplexer, 1))
    with pytest.raises(BusLost):
        await front.append(parcel(2))
    with pytest.raises(BusLost):
        await multiplexer.publish(lead(2))
    with running(server.program(), lambda _pid: server.ready()):
        await front.append(parcel(3))
        await multiplexer.publish(lead(3))
        await multiplexer.send({"f": lead(4)})
        assert sorted(await reading, key=repr) == lead(3, 4)
        assert numbers(await receiving) == [3]
        await front.close()
        await multiplexer.close()


async def test_what_was_trimmed_is_missed(cluster: RedisCluster, monkeypatch: pytest.MonkeyPatch) -> None:
    """A front that fell off the end of the shared stream is told so, before what is still there."""
    monkeypatch.setattr(redis_bus, "MAX_ENTRIES", 100)
    front, multiplexer = cluster.front("f"), cluster.multiplexer("m")
    await front.start()
    await multiplexer.publish(lead(0))
    await hear(front, 1)
    for term in range(1, 500):
        await multiplexer.publish(lead(term))
    first, second, *_ = await front.read()
    assert first == Missed()
    assert isinstance(second, Lead)
    assert second.term > 1
    assert not any(isinstance(news, Missed) for news in await front.read())


async def test_what_never_arrived_is_missed(cluster: RedisCluster, monkeypatch: pytest.MonkeyPatch) -> None:
    """A publish that failed shows with the next one, on either stream."""
    front, multiplexer = cluster.front("f"), cluster.multiplexer("m")
    assert isinstance(multiplexer, RedisMultiplexerBus)
    await front.start()
    await multiplexer.publish(lead(1))
    await multiplexer.send({"f": lead(2)})
    assert await hear(front, 2) == lead(1, 2)
    with monkeypatch.context() as patch:

        async def lose(*_: object) -> object:
            raise BusLost("lost on the way")

        patch.setattr(multiplexer._writer, "run", lose)
        patch.setattr(multiplexer._writer, "run_all", lose)
        with pytest.raises(BusLost):
            await multiplexer.publish(lead(3))
        with pytest.raises(BusLost):
            await multiplexer.send({"f": lead(4)})
    await multiplexer.publish(lead(5))
    await multiplexer.send({"f": lead(6)})
    assert await until(front.read, 4) == [Missed(), *lead(5), Missed(), *lead(6)]


async def test_another_leader_is_nothing_missed(cluster: RedisCluster) -> None:
    """Each multiplexer counts for itself, and a front that starts late begins to count where it starts."""
    front, one, two = cluster.front("f"), cluster.multiplexer("one"), cluster.multiplexer("two")
    await front.start()
    for term, leader in enumerate((one, two, one, two)):
        await leader.publish(lead(term))
    assert await until(front.read, 4) == lead(*range(4))
    late = cluster.front("late")
    await late.start()
    await one.publish(lead(4))
    assert await until(late.read, 1) == lead(4)
    await two.publish(lead(5))
    assert await until(late.read, 2) == [Missed(), *lead(5)], "whether it is the second's first is not known"


async def test_a_server_that_forgot_is_noticed_in_quiet(cluster: RedisCluster) -> None:
    """Who had read something is told that he may have missed something, though nothing comes any more."""
    front, multiplexer = cluster.front("f"), cluster.multiplexer("m")
    await front.start()
    await multiplexer.publish(lead(1))
    await hear(front, 1)
    await cluster.flush()
    assert await until(front.read, 1) == [Missed()]
    await multiplexer.publish(lead(2))
    assert await until(front.read, 1) == lead(2)


async def test_a_dead_front_is_swept(cluster: RedisCluster) -> None:
    """With its lease go its registrations, at a lookup its stream and its place among the fronts."""
    front, multiplexer = cluster.front("f"), cluster.multiplexer("m")
    await front.register(["a"], ["ada"])
    await multiplexer.send({"f": lead(1)})
    assert len(await cluster.keys()) == 4
    for key in ("held", "actors"):
        await cluster.redis.pexpire(f"{cluster.namespace}:{key}:f", 1)

    async def swept() -> list[bool]:
        await multiplexer.find(["a"])
        return [True] if not await cluster.keys() else []

    await until(swept, 1)
    # It was only slow: what it missed shows.
    await front.register(["a"], [])
    await multiplexer.send({"f": lead(2)})
    await multiplexer.send({"f": lead(3)})
    assert [news for news in await until(front.read, 2) if isinstance(news, Lead)] == lead(2, 3)


async def test_registering_leaves_nothing_behind(cluster: RedisCluster) -> None:
    """Every key of the registry goes away by itself but the list of fronts, also if registering is cut off."""
    front = cluster.front("f")
    await front.register(["a"], [])
    await cluster.flush()
    await front.change(Changes(held=["b"], arrived=["ada"]))
    assert isinstance(front, RedisFrontBus)
    await front._writer.run_all(next(front._keys.register(["c"], [])))
    for key in await cluster.keys():
        assert 0 < await cluster.redis.pttl(key) <= 1000 * LEASE
