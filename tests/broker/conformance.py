"""What every bus promises, as one suite that runs on each of them (`test_memory_bus`, `test_redis_bus`)."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol, TypeVar

import pytest

from broker.bus import Delivery, FrontBus, MultiplexerBus
from broker.errors import BusLost
from broker.messages import Fetch, Lead, MultiplexerMessage, Parcel

T = TypeVar("T")
DEADLINE = 20.0


class Cluster(Protocol):
    """What the suite needs from a bus under test."""

    def front(self, front: str) -> FrontBus: ...

    def multiplexer(self, name: str) -> MultiplexerBus: ...

    async def flush(self) -> None:
        """Make the bus forget everything, as a restarted Redis."""


def parcel(number: int, front: str = "f") -> Parcel:
    """A parcel that differs from others by its number."""
    return Parcel(front, [Fetch(str(number))])


def numbers(deliveries: Sequence[Delivery]) -> list[int]:
    """The numbers of the parcels handed out."""
    found = []
    for delivery in deliveries:
        (message,) = delivery.parcel.messages
        assert isinstance(message, Fetch)
        found.append(int(message.key))
    return found


def lead(*terms: int) -> list[MultiplexerMessage]:
    """Messages that differ by their number."""
    return [Lead(term) for term in terms]


async def until(take: Callable[[], Awaitable[Sequence[T]]], count: int) -> list[T]:
    """Gather until there are `count`, over what the bus calls lost or quiet."""
    found: list[T] = []
    async with asyncio.timeout(DEADLINE):
        while len(found) < count:
            try:
                found += await take()
            except BusLost:
                # The moment after which a caller may try again; also lets the deadline strike.
                await asyncio.sleep(0.01)
    return found


async def take(end: MultiplexerBus, count: int, limit: int = 100) -> list[Delivery]:
    return await until(lambda: end.receive(limit), count)


class Conformance:
    """The suite; a subclass gives the fixture `cluster`."""

    async def test_order(self, cluster: Cluster) -> None:
        """Parcels of a front arrive in the order of their appends."""
        front, multiplexer = cluster.front("f"), cluster.multiplexer("m")
        for number in range(250):
            await front.append(parcel(number))
        assert numbers(await take(multiplexer, 250)) == list(range(250))

    async def test_limit(self, cluster: Cluster) -> None:
        """No more than `limit` are handed out at once, and the rest follow."""
        front, multiplexer = cluster.front("f"), cluster.multiplexer("m")
        for number in range(5):
            await front.append(parcel(number))
        first = await take(multiplexer, 1, limit=2)
        assert numbers(first) == [0, 1]
        assert numbers(await take(multiplexer, 3, limit=10)) == [2, 3, 4]

    async def test_once(self, cluster: Cluster) -> None:
        """Each parcel is handed to one of several multiplexers."""
        front = cluster.front("f")
        one, two = cluster.multiplexer("one"), cluster.multiplexer("two")
        await one.take_over(0)
        for number in range(40):
            await front.append(parcel(number))
        got = numbers(await take(one, 5, limit=5)) + numbers(await take(two, 35))
        assert sorted(got) == list(range(40))

    async def test_attempts_of_fresh(self, cluster: Cluster) -> None:
        """A fresh parcel is at its first attempt."""
        await cluster.front("f").append(parcel(1))
        (delivery,) = await take(cluster.multiplexer("m"), 1)
        assert (delivery.parcel, delivery.attempts) == (parcel(1), 1)

    async def test_take_over(self, cluster: Cluster) -> None:
        """What a dead multiplexer was handed is taken over in order, with attempts that count up."""
        front, dead, heir = cluster.front("f"), cluster.multiplexer("dead"), cluster.multiplexer("heir")
        for number in range(250):
            await front.append(parcel(number))
        handed = await take(dead, 250)
        await dead.acknowledge(handed[:10])
        taken = await heir.take_over(0)
        assert numbers(taken) == list(range(10, 250))
        assert {delivery.attempts for delivery in taken} == {2}
        assert {delivery.attempts for delivery in await heir.take_over(0)} == {3}
        assert {delivery.attempts for delivery in handed} == {1}

    async def test_take_over_only_idle(self, cluster: Cluster) -> None:
        """What was handed out a moment ago stays where it is."""
        await cluster.front("f").append(parcel(1))
        await take(cluster.multiplexer("busy"), 1)
        assert await cluster.multiplexer("heir").take_over(60) == []

    async def test_take_over_nothing(self, cluster: Cluster) -> None:
        """A first leader finds nothing to take over."""
        assert await cluster.multiplexer("m").take_over(0) == []

    async def test_taken_over_is_not_received(self, cluster: Cluster) -> None:
        """What was taken over is not received again, and what was not handed out is not taken over."""
        front, dead, heir = cluster.front("f"), cluster.multiplexer("dead"), cluster.multiplexer("heir")
        await front.append(parcel(1))
        await take(dead, 1)
        await front.append(parcel(2))
        assert numbers(await heir.take_over(0)) == [1]
        assert numbers(await take(heir, 1)) == [2]

    async def test_acknowledged(self, cluster: Cluster) -> None:
        """What was acknowledged is never handed out again."""
        front, multiplexer = cluster.front("f"), cluster.multiplexer("m")
        await front.append(parcel(1))
        await front.append(parcel(2))
        one, two = await take(multiplexer, 2)
        await multiplexer.acknowledge([one])
        assert numbers(await multiplexer.take_over(0)) == [2]
        await multiplexer.acknowledge([two])
        await multiplexer.acknowledge([two])
        await multiplexer.acknowledge([])
        assert await multiplexer.take_over(0) == []
        assert await cluster.multiplexer("other").take_over(0) == []

    async def test_shared_reaches_all(self, cluster: Cluster) -> None:
        """What is published reaches each front, whole and in order."""
        one, two, multiplexer = cluster.front("one"), cluster.front("two"), cluster.multiplexer("m")
        await one.start()
        await two.start()
        await multiplexer.publish(lead(1, 2))
        await multiplexer.publish([])
        await multiplexer.publish(lead(3))
        assert await until(one.read, 3) == lead(1, 2, 3)
        assert await until(two.read, 3) == lead(1, 2, 3)

    async def test_own_reaches_one(self, cluster: Cluster) -> None:
        """What is sent to a front reaches it alone, in order."""
        one, two, multiplexer = cluster.front("one"), cluster.front("two"), cluster.multiplexer("m")
        await one.start()
        await two.start()
        await multiplexer.send({"one": lead(1, 2), "two": lead(3)})
        await multiplexer.send({})
        await multiplexer.send({"one": lead(4)})
        await multiplexer.publish(lead(9))
        assert sorted(await until(one.read, 4), key=repr) == lead(1, 2, 4, 9)
        assert sorted(await until(two.read, 2), key=repr) == lead(3, 9)

    async def test_start(self, cluster: Cluster) -> None:
        """A front reads what is published after `start`, nothing from before, and misses nothing in between."""
        multiplexer = cluster.multiplexer("m")
        await multiplexer.publish(lead(1))
        front = cluster.front("f")
        await front.start()
        await multiplexer.publish(lead(2))
        await multiplexer.publish(lead(3))
        assert await until(front.read, 2) == lead(2, 3)

    async def test_many(self, cluster: Cluster) -> None:
        """More than one read takes arrives in order all the same."""
        front, multiplexer = cluster.front("f"), cluster.multiplexer("m")
        await front.start()
        for term in range(500):
            await multiplexer.publish(lead(term))
        assert await until(front.read, 500) == lead(*range(500))

    async def test_wakes_readers(self, cluster: Cluster) -> None:
        """Who waits is woken by what comes."""
        front, multiplexer = cluster.front("f"), cluster.multiplexer("m")
        await front.start()
        reading = asyncio.create_task(until(front.read, 1))
        receiving = asyncio.create_task(take(multiplexer, 1))
        await multiplexer.publish(lead(1))
        await front.append(parcel(1))
        assert await reading == lead(1)
        assert numbers(await receiving) == [1]

    async def test_quiet(self, cluster: Cluster) -> None:
        """A quiet bus returns an empty list now and then."""
        front, multiplexer = cluster.front("f"), cluster.multiplexer("m")
        await front.start()
        await multiplexer.take_over(0)
        async with asyncio.timeout(DEADLINE):
            assert await front.read() == []
            assert await multiplexer.receive(1) == []

    async def test_flush(self, cluster: Cluster) -> None:
        """A bus that forgets everything is used on by who used it, and who waited goes on waiting."""
        front, multiplexer = cluster.front("f"), cluster.multiplexer("m")
        await front.start()
        await multiplexer.publish(lead(1))
        await multiplexer.send({"f": lead(2)})
        await until(front.read, 2)
        await front.append(parcel(1))
        await take(multiplexer, 1)
        reading = asyncio.create_task(until(front.read, 2))
        receiving = asyncio.create_task(take(multiplexer, 1))
        await cluster.flush()
        await front.append(parcel(2))
        await multiplexer.publish(lead(3))
        await multiplexer.send({"f": lead(4)})
        assert sorted(await reading, key=repr) == lead(3, 4)
        assert numbers(await receiving) == [2]
        assert numbers(await multiplexer.take_over(0)) == [2]

    async def test_flush_then_take_over(self, cluster: Cluster) -> None:
        """Taking over from a bus that forgot everything finds nothing."""
        front, multiplexer = cluster.front("f"), cluster.multiplexer("m")
        await front.append(parcel(1))
        await take(multiplexer, 1)
        await cluster.flush()
        assert await multiplexer.take_over(0) == []

    async def test_close(self, cluster: Cluster) -> None:
        """Closing wakes who waits with BusLost, and nothing works afterwards."""
        front, multiplexer = cluster.front("f"), cluster.multiplexer("m")
        await front.start()
        await multiplexer.take_over(0)

        async def drain(wait: Callable[[], Awaitable[object]]) -> None:
            while True:
                await wait()

        async with asyncio.timeout(DEADLINE):
            reading = asyncio.create_task(drain(front.read))
            receiving = asyncio.create_task(drain(lambda: multiplexer.receive(1)))
            await cluster.front("other").append(parcel(1))
            await cluster.multiplexer("other").publish(lead(1))
            await front.close()
            await multiplexer.close()
            with pytest.raises(BusLost):
                await reading
            with pytest.raises(BusLost):
                await receiving
            with pytest.raises(BusLost):
                await front.append(parcel(1))
            with pytest.raises(BusLost):
                await multiplexer.publish(lead(1))
