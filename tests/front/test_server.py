import asyncio
import json
import time
from collections.abc import Collection, Sequence
from itertools import count

import pytest

from broker.bus import News
from broker.errors import BusLost
from broker.memory_bus import MemoryBus
from broker.messages import Action, MultiplexerMessage, Parcel
from broker.registry import NO_CHANGES, Changes
from front.hub import PARCEL
from front.ticks import Rest

from .running import GATE, Multiplexer, on_both_loops, read_frame, running, soon, turn_until
from .wire import masked, request


@on_both_loops
async def test_the_whole_road() -> None:
    """A client subscribes, acts, and sees what its action changed, and its outcome."""
    async with running() as front, front.client() as ada, front.client() as bob:
        await ada.subscribe(1, "a")
        await bob.subscribe(9, "a")
        await ada.say(type="dispatch", number=1, name="a", params={"é": "\ud83d\ude00"})
        heard = [await ada.hear(), await ada.hear()]
        outcome = next(frame for frame in heard if frame["type"] == "outcome")
        assert outcome["reply"] == {"é": "😀"}
        assert outcome["stores"] == {"a{}": 1}
        update = next(frame for frame in heard if frame["type"] == "update")
        assert await bob.hear() == update


@on_both_loops
async def test_what_comes_at_once_is_answered_in_order() -> None:
    """§2: welcome comes first, also when hello and what follows it share a segment and the store is there already."""
    async with running() as front, front.client() as first:
        await first.subscribe(1, "a")
        token = GATE.sign("bob", now=time.time(), lifetime=60)
        hello = {"type": "hello", "protocols": [1], "token": token, "client": "c"}
        subscribe = {"type": "subscribe", "stores": [{"id": 1, "name": "a"}]}
        frames = [masked(json.dumps(frame).encode()) for frame in (hello, subscribe, {"type": "ping"})]
        reader, writer = await asyncio.open_connection("127.0.0.1", front.port)
        writer.write(request())
        await soon(reader.readuntil(b"\r\n\r\n"))
        writer.write(b"".join(frames))
        heard = [(await read_frame(reader))["type"] for _ in range(4)]
        assert [kind for kind in heard if kind != "pong"] == ["welcome", "subscribed", "snapshot"]
        writer.transport.abort()
        await asyncio.gather(writer.wait_closed(), return_exceptions=True)


@on_both_loops
async def test_commits_come_together() -> None:
    """§5: over a real socket, too."""
    async with running() as front, front.client() as ada:
        await ada.subscribe(1, "a")
        await ada.subscribe(2, "b")
        await front.multiplexer.commit("a", "b")
        frames = [await ada.hear() for _ in range(3)]
        assert [frame.get("store") for frame in frames] == [None, "a{}", "b{}"]
        assert frames[0] == {"type": "commit", "updates": 2}


@on_both_loops
async def test_a_tick_keeps_writes_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    """What comes within the tick that a write has earned waits for its end, and is not lost."""
    monkeypatch.setattr("front.ticks.EARNED_IN", 1e-9)
    tick = 0.1
    async with running(tick=tick) as front, front.client() as ada:
        await ada.subscribe(1, "a")
        rests_until = front.server._rest._ends
        await front.multiplexer.commit("a")
        await front.multiplexer.commit("a")
        assert [(await ada.hear())["to"], (await ada.hear())["to"]] == [1, 2]
        assert front.server._rest._ends - rests_until > 0.9 * tick  # uvloop's timers have milliseconds


@on_both_loops
async def test_a_write_to_few_keeps_nobody_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """However long a tick is: what took next to nothing earns no rest."""
    async with running() as front, front.client() as ada:
        await ada.subscribe(1, "a")
        monkeypatch.setattr("front.ticks.EARNED_IN", 1e9)
        front.server._rest = Rest(1000.0)
        for version in (1, 2):
            await front.multiplexer.commit("a")
            assert (await ada.hear())["to"] == version


@on_both_loops
async def test_a_tick_keeps_parcels_apart() -> None:
    """What comes soon after a parcel gathers for the next one; a full parcel is followed at once."""
    memory = MemoryBus(quiet=0.05)
    multiplexer = memory.multiplexer()
    numbers = count(1)

    async def parcel() -> int:
        while True:
            for delivery in await multiplexer.receive(1):
                actions = [message for message in delivery.parcel.messages if isinstance(message, Action)]
                if actions:
                    return len(actions)

    async with running(bus=memory.front("f"), tick=0.4) as front, front.client() as client:
        for dispatched, parcels in ((1, [1]), (3, [3]), (PARCEL + 1, [PARCEL, 1])):
            for _ in range(dispatched):
                await client.say(type="dispatch", number=next(numbers), name="a")
            if dispatched > PARCEL:
                # From here on nobody would wait for the end of a tick.
                front.server._tick = 1000.0
            assert [await soon(parcel()) for _ in parcels] == parcels


@on_both_loops
async def test_a_bad_frame_closes_its_sender_alone() -> None:
    """Promise 8: a coded close for one, and the other does not notice."""
    async with running() as front, front.client() as bad, front.client() as good:
        await good.subscribe(1, "a")
        await soon(bad.socket.send("nonsense"))
        assert await bad.code() == 4001
        await front.multiplexer.commit("a")
        assert (await good.hear())["to"] == 1


@on_both_loops
async def test_a_fault_in_a_message_is_survived(monkeypatch: pytest.MonkeyPatch) -> None:
    """A commit that a bug of ours loses is logged, and made good by a snapshot; the next one is taken as ever."""
    async with running() as front, front.client() as client:
        await client.subscribe(1, "a")
        with monkeypatch.context() as patch:
            patch.setattr("front.stores.Stores.take_updates", lambda *_: 1 / 0)
            await front.multiplexer.commit("a")
            frame = await client.hear()
            assert (frame["type"], frame["version"]) == ("snapshot", 1)
        await front.multiplexer.commit("a")
        assert (await client.hear())["to"] == 2


@on_both_loops
async def test_ending_says_goodbye() -> None:
    """SIGTERM: every client is closed with 4200, at once."""
    async with running() as front, front.client() as ada, front.client(hello=False) as silent:
        front.listener.should_exit = True
        assert await ada.code() == 4200
        assert await silent.code() == 4200


class FlakyBus:
    """A front's end that loses its connection when told to."""

    def __init__(self, memory: MemoryBus) -> None:
        self._end = memory.front("f")
        self.lost = True
        self.tried = asyncio.Event()

    def _check(self) -> None:
        if self.lost:
            self.tried.set()
            raise BusLost("as told")

    async def start(self) -> None:
        self._check()
        await self._end.start()

    async def register(self, stores: Collection[str], actors: Collection[str]) -> None:
        self._check()
        await self._end.register(stores, actors)

    async def change(self, changes: Changes) -> None:
        self._check()
        await self._end.change(changes)

    async def renew(self, intake: float) -> bool:
        self._check()
        return await self._end.renew(intake)

    async def tell(self, asker: str, message: MultiplexerMessage) -> None:
        await self._end.tell(asker, message)

    async def intake_of_others(self) -> float:
        return await self._end.intake_of_others()

    async def append(self, parcel: Parcel, changes: Changes = NO_CHANGES) -> None:
        self._check()
        await self._end.append(parcel, changes)

    async def read(self) -> Sequence[News]:
        self._check()
        messages = await self._end.read()
        self._check()
        return messages

    async def close(self) -> None:
        await self._end.close()


@on_both_loops
async def test_a_lost_bus_is_waited_for() -> None:
    """Clients stay; what they said meanwhile is answered when the bus is back, and nothing is done twice."""
    memory = MemoryBus(quiet=0.05)
    bus = FlakyBus(memory)
    multiplexer = Multiplexer(memory.multiplexer())
    work = asyncio.create_task(multiplexer.run())
    async with running(bus=bus) as front, front.client() as client:
        await client.say(type="subscribe", stores=[{"id": 1, "name": "a"}])
        await soon(bus.tried.wait())
        assert not front.server.ready()
        bus.lost = False
        assert [(await client.hear())["type"] for _ in range(2)] == ["subscribed", "snapshot"]
        await turn_until(front.server.ready)
        bus.lost = True
        bus.tried.clear()
        await soon(bus.tried.wait())
        await client.say(type="dispatch", number=1, name="a")
        bus.lost = False
        frames = [await client.hear(), await client.hear()]
        assert sorted(frame["type"] for frame in frames) == ["outcome", "update"]
    work.cancel()
    await asyncio.gather(work, return_exceptions=True)
