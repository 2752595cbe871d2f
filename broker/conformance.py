"""What every bus promises, as one suite to be run on each: a subclass of :class:`Conformance` gives it a cluster.

For pytest with an asyncio plugin, which is not imported here::

    class TestMyBus(Conformance):
        @pytest.fixture
        async def cluster(self) -> AsyncIterator[Cluster]: ...

``pytest.register_assert_rewrite("broker.conformance")``, before it is imported, lets failures say more.
"""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol, TypeVar

from .bus import Delivery, FrontBus, Missed, MultiplexerBus
from .errors import BusFull, BusLost
from .messages import Fetch, Lead, MultiplexerMessage, Parcel
from .registry import LEASE, Changes

T = TypeVar("T")
DEADLINE = 20.0
"""How long anything that must happen may take, in seconds."""
MANY = 4096


class Cluster(Protocol):
    """What the suite needs from a bus under test."""

    def front(self, front: str, *, most: int = MANY, lease: float = LEASE) -> FrontBus:
        """Make a front's end; ``most`` parcels may be on the action bus, the lease is in seconds."""

    def multiplexer(self, name: str) -> MultiplexerBus:
        """Make a multiplexer's end."""

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


async def fails(call: Awaitable[object], error: type[Exception]) -> bool:
    """Whether a call fails with this error."""
    try:
        await call
    except error:
        return True
    return False


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


async def hear(front: FrontBus, count: int) -> list[MultiplexerMessage]:
    """Read until there are so many messages, whatever was missed before."""

    async def read() -> list[MultiplexerMessage]:
        return [news for news in await front.read() if not isinstance(news, Missed)]

    return await until(read, count)


async def take(end: MultiplexerBus, count: int, limit: int = 100) -> list[Delivery]:
    """Receive so many parcels."""
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

    async def test_acknowledged_with_what_is_sent(self, cluster: Cluster) -> None:
        """Deliveries can be acknowledged in one go with what they led to."""
        front, multiplexer = cluster.front("f"), cluster.multiplexer("m")
        await front.start()
        for number in range(3):
            await front.append(parcel(number))
        deliveries = await take(multiplexer, 3)
        await multiplexer.send({"f": lead(1)}, deliveries[:2])
        assert await hear(front, 1) == lead(1)
        assert numbers(await multiplexer.take_over(0)) == [2]
        await multiplexer.send({}, deliveries[2:])
        assert await multiplexer.take_over(0) == []

    async def test_parcels_are_counted(self, cluster: Cluster) -> None:
        """What is on the action bus counts until it is acknowledged, and each parcel tells since when it is there."""
        front, multiplexer = cluster.front("f"), cluster.multiplexer("m")
        assert await multiplexer.parcels() == 0
        before = time.time()
        for number in range(3):
            await front.append(parcel(number))
        deliveries = await take(multiplexer, 2)
        assert await multiplexer.parcels() == 3
        # Clocks of Redis have milliseconds, and are ours here.
        assert all(before - 0.002 <= delivery.appended_at <= time.time() for delivery in deliveries)
        await multiplexer.acknowledge(deliveries[:1])
        assert await multiplexer.parcels() == 2

    async def test_shared_reaches_all(self, cluster: Cluster) -> None:
        """What is published reaches each front, whole and in order."""
        one, two, multiplexer = cluster.front("one"), cluster.front("two"), cluster.multiplexer("m")
        await one.start()
        await two.start()
        await multiplexer.publish(lead(1, 2))
        await multiplexer.publish([])
        await multiplexer.publish(lead(3))
        assert await hear(one, 3) == lead(1, 2, 3)
        assert await hear(two, 3) == lead(1, 2, 3)

    async def test_own_reaches_one(self, cluster: Cluster) -> None:
        """What is sent to a front reaches it alone, in order."""
        one, two, multiplexer = cluster.front("one"), cluster.front("two"), cluster.multiplexer("m")
        await one.start()
        await two.start()
        await multiplexer.send({"one": lead(1, 2), "two": lead(3)})
        await multiplexer.send({})
        await multiplexer.send({"one": lead(4)})
        await multiplexer.publish(lead(9))
        assert sorted(await hear(one, 4), key=repr) == lead(1, 2, 4, 9)
        assert sorted(await hear(two, 2), key=repr) == lead(3, 9)

    async def test_sent_and_published(self, cluster: Cluster) -> None:
        """What one call sends to a front and publishes reaches it in that order; others have what was published."""
        one, two, multiplexer = cluster.front("one"), cluster.front("two"), cluster.multiplexer("m")
        await one.start()
        await two.start()
        for term in range(0, 40, 2):
            await multiplexer.send({"one": lead(term)}, everyone=lead(term + 1))
        await multiplexer.send({"one": lead(40)}, everyone=[])
        await multiplexer.send({}, everyone=lead(41))
        assert await hear(one, 42) == lead(*range(42))
        assert await hear(two, 21) == lead(*range(1, 40, 2), 41)

    async def test_told_by_a_front(self, cluster: Cluster) -> None:
        """What fronts tell who asked reaches him alone, and counts for no gap."""
        one, two, asker = cluster.front("one"), cluster.front("two"), cluster.front("asker")
        multiplexer = cluster.multiplexer("m")
        for front in (one, two, asker):
            await front.start()
        for term in (1, 2):
            await one.tell("asker", *lead(term))
        await two.tell("asker", *lead(3))
        await multiplexer.publish(lead(9))
        assert sorted(await hear(asker, 4), key=repr) == lead(1, 2, 3, 9)
        assert await hear(one, 1) == lead(9)

    async def test_start(self, cluster: Cluster) -> None:
        """A front reads what is published after `start`, nothing from before, and misses nothing in between."""
        multiplexer = cluster.multiplexer("m")
        await multiplexer.publish(lead(1))
        front = cluster.front("f")
        await front.start()
        await multiplexer.publish(lead(2))
        await multiplexer.publish(lead(3))
        assert await hear(front, 2) == lead(2, 3)

    async def test_many(self, cluster: Cluster) -> None:
        """More than one read takes arrives in order all the same."""
        front, multiplexer = cluster.front("f"), cluster.multiplexer("m")
        await front.start()
        for term in range(500):
            await multiplexer.publish(lead(term))
        assert await hear(front, 500) == lead(*range(500))

    async def test_wakes_readers(self, cluster: Cluster) -> None:
        """Who waits is woken by what comes."""
        front, multiplexer = cluster.front("f"), cluster.multiplexer("m")
        await front.start()
        reading = asyncio.create_task(hear(front, 1))
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
        await hear(front, 2)
        await front.append(parcel(1))
        await take(multiplexer, 1)
        reading = asyncio.create_task(hear(front, 2))
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
            assert await fails(reading, BusLost)
            assert await fails(receiving, BusLost)
            assert await fails(front.append(parcel(1)), BusLost)
            assert await fails(front.renew(1.0), BusLost)
            assert await fails(multiplexer.publish(lead(1)), BusLost)
            assert await fails(multiplexer.find(["a"]), BusLost)

    async def test_full(self, cluster: Cluster) -> None:
        """A full bus takes no parcel and drops none; one that is acknowledged makes room."""
        front, multiplexer = cluster.front("f", most=3), cluster.multiplexer("m")
        for number in range(3):
            await front.append(parcel(number))
        for _ in range(2):
            assert await fails(front.append(parcel(3), Changes(held=["a"])), BusFull)
        # What is in somebody's hands still counts.
        first, *_ = await take(multiplexer, 3)
        assert await fails(front.append(parcel(3)), BusFull)
        await multiplexer.acknowledge([first])
        await front.append(parcel(3))
        assert await fails(front.append(parcel(4)), BusFull)
        assert numbers(await take(multiplexer, 1)) == [3]

    async def test_order_through_hand_overs(self, cluster: Cluster) -> None:
        """Each front's parcels reach the one who works in order, though those before died with their hands full."""
        dice = random.Random(5)  # noqa: S311 - for a test
        fronts = {name: cluster.front(name) for name in ("one", "two")}
        for number in range(100):
            for name, front in fronts.items():
                await front.append(parcel(number, name))
        done: list[Delivery] = []
        for generation in range(6):
            leader = cluster.multiplexer(f"m{generation}")
            in_hand = [*await leader.take_over(0)]
            in_hand += await take(leader, 1, limit=dice.randrange(1, 60))
            worked = in_hand[: dice.randrange(len(in_hand))] if generation < 5 else in_hand
            await leader.acknowledge(worked)
            done += worked
        heir = cluster.multiplexer("heir")
        done += await heir.take_over(0)
        done += await take(heir, 200 - len(done))
        for name in fronts:
            assert numbers([one for one in done if one.parcel.front == name]) == list(range(100))

    async def test_order_across_streams(self, cluster: Cluster) -> None:
        """What one multiplexer publishes and sends arrives in the order of its calls."""
        front, multiplexer = cluster.front("f"), cluster.multiplexer("m")
        await front.start()
        for term in range(0, 700, 2):
            await multiplexer.publish(lead(term))
            await multiplexer.send({"f": lead(term + 1)})
        assert await hear(front, 700) == lead(*range(700))

    async def test_missed(self, cluster: Cluster) -> None:
        """Who missed something is told so at its place, and once."""
        front, multiplexer = cluster.front("f"), cluster.multiplexer("m")
        await front.start()
        await multiplexer.publish(lead(1))
        await hear(front, 1)
        await multiplexer.publish(lead(2))
        await cluster.flush()
        await multiplexer.publish(lead(3))
        await multiplexer.publish(lead(4))
        news = await until(front.read, 3)
        assert news == [Missed(), *lead(3, 4)]

    async def test_registry(self, cluster: Cluster) -> None:
        """A lookup finds who holds a store and serves an actor, as it was registered and changed."""
        one, two, multiplexer = cluster.front("one"), cluster.front("two"), cluster.multiplexer("m")
        await one.register(["a", "b"], ["ada"])
        await two.register([], [])
        found = await multiplexer.find(["a", "b", "c"], ["ada", "bob"])
        assert sorted(found.fronts) == ["one", "two"]
        assert (found.stores, found.actors) == ({"a": ["one"], "b": ["one"]}, {"ada": ["one"]})
        await two.change(Changes(held=["a"], arrived=["ada", "bob"]))
        await one.change(Changes(held=["c"], dropped=["b"], departed=["ada"]))
        found = await multiplexer.find(["a", "b", "c"], ["ada", "bob"])
        assert {key: sorted(fronts) for key, fronts in found.stores.items()} == {"a": ["one", "two"], "c": ["one"]}
        assert found.actors == {"ada": ["two"], "bob": ["two"]}
        assert (await one.renew(30.0), await two.renew(12.5)) == (True, True)
        await one.register(["b"], [])
        found = await multiplexer.find(["a", "b", "c"])
        assert found.stores == {"a": ["two"], "b": ["one"]}
        assert (await multiplexer.find([])).stores == {}

    async def test_what_others_take(self, cluster: Cluster) -> None:
        """A front hears how many clients the others can take, as they said last, and not of those that are gone."""
        one, two, three = (cluster.front(name) for name in ("one", "two", "three"))
        silent = cluster.front("silent", lease=0.2)
        assert await one.intake_of_others() == 0
        for front in (one, two, three, silent):
            await front.register([], [])
        for front, intake in ((one, 500.0), (two, 30.5), (three, 70.0), (silent, 9000.0), (two, 40.5)):
            await front.renew(intake)

        async def gone() -> list[bool]:
            return [True] if await one.intake_of_others() < 9000 else []

        await until(gone, 1)
        assert await one.intake_of_others() == 110.5
        await two.renew(0.0)
        assert await one.intake_of_others() == 70
        assert await three.intake_of_others() == 500

    async def test_registered_before_received(self, cluster: Cluster) -> None:
        """Whoever has a parcel in hand finds what came with it."""
        front, multiplexer = cluster.front("f"), cluster.multiplexer("m")
        await front.register([], [])
        await front.append(parcel(1), Changes(held=["a"], arrived=["ada"]))
        await take(multiplexer, 1)
        found = await multiplexer.find(["a"], ["ada"])
        assert (found.stores, found.actors) == ({"a": ["f"]}, {"ada": ["f"]})

    async def test_registering_many(self, cluster: Cluster) -> None:
        """More than goes into one command is registered whole."""
        front, multiplexer = cluster.front("f"), cluster.multiplexer("m")
        stores = [f"store{number}" for number in range(2500)]
        await front.register(stores, stores)
        await front.change(Changes(dropped=stores[:1200]))
        found = await multiplexer.find(stores, stores)
        assert set(found.stores) == set(stores[1200:])
        assert set(found.actors) == set(stores)

    async def test_ghosts(self, cluster: Cluster) -> None:
        """What a front that fell silent had registered is gone with its lease, and that of a live one is not."""
        silent, alive = cluster.front("silent", lease=0.2), cluster.front("alive")
        multiplexer = cluster.multiplexer("m")
        await silent.register(["a"], ["ada"])
        await alive.register(["a"], ["ada"])

        async def gone() -> list[bool]:
            found = await multiplexer.find(["a"], ["ada"])
            assert "alive" in found.stores["a"]
            assert "alive" in found.actors["ada"]
            return [True] if found.fronts == ["alive"] else []

        await until(gone, 1)
        assert await alive.renew(1.0)
        assert not await silent.renew(7.0)
        await cluster.front("silent").register(["b"], [])
        assert (await multiplexer.find(["b"])).stores == {"b": ["silent"]}

    async def test_registry_after_flush(self, cluster: Cluster) -> None:
        """A front learns at its next renewal that the bus has forgotten what it registered, also if part is back."""
        front, multiplexer = cluster.front("f"), cluster.multiplexer("m")
        await front.register(["a", "b"], ["ada"])
        await cluster.flush()
        await front.change(Changes(held=["c"]))
        assert not await front.renew(1.0)
        await front.register(["a", "b", "c"], ["ada"])
        assert await front.renew(1.0)
        assert set((await multiplexer.find(["a", "b", "c"])).stores) == {"a", "b", "c"}
