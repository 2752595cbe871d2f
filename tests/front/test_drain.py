import asyncio
import os

import httpx
import pytest

from broker.messages import Drain
from front.drain import Departure, Pace, farewell, share_of

from .running import running, soon, turn_until


def going(count: int, pace: Pace, *, step: float = 0.1) -> list[tuple[int, float, float]]:
    """Who goes when, and how long he is told to stay away."""
    departure = Departure(range(count), pace, 100.0)
    gone: list[tuple[int, float, float]] = []
    now = 100.0
    while not departure.over:
        gone += [(client, now - 100.0, seconds) for client, seconds in departure.due(now)]
        now += step
    return gone


def test_everybody_goes_once() -> None:
    gone = going(1000, Pace(rate=100.0, seconds=60.0))
    assert sorted(client for client, _, _ in gone) == list(range(1000))
    assert [client for client, _, _ in gone] != sorted(range(1000), reverse=True), "who came together is spread"


def test_no_faster_than_the_others_take_them() -> None:
    """With time enough each goes when his turn has come, and may come back at once."""
    gone = going(1000, Pace(rate=100.0, seconds=60.0))
    for second in range(10):
        assert sum(second < at <= second + 1 for _, at, _ in gone) <= 110
    assert all(seconds == 0 for _, _, seconds in gone)
    assert gone[-1][1] == pytest.approx(10.0, abs=0.2)


def test_the_deadline_counts() -> None:
    """Without time enough they go faster, and are told to come back at the pace."""
    gone = going(1000, Pace(rate=100.0, seconds=2.0))
    assert gone[-1][1] == pytest.approx(2.0, abs=0.2)
    returns = sorted(at + seconds for _, at, seconds in gone)
    for second in range(10):
        assert 90 <= sum(second <= at < second + 1 for at in returns) <= 112


def test_who_hurries() -> None:
    """All go at once, and come back at the pace all the same."""
    departure = Departure(range(100), Pace(rate=10.0, seconds=60.0), 0.0)
    assert len(departure.due(0.0)) == 1
    departure.hurry()
    rest = departure.due(0.0)
    assert departure.over
    assert [seconds for _, seconds in rest] == [pytest.approx(turn / 10) for turn in range(1, 100)]


def test_nobody_there() -> None:
    assert Departure([], Pace(1.0, 1.0), 0.0).over


def test_a_share() -> None:
    """So many, and not always the same ones."""
    assert len(share_of(range(10), 0.3)) == 3
    assert share_of(range(3), 0.0) == []
    assert sorted(share_of(range(3), 1.0)) == [0, 1, 2]


def test_what_is_said() -> None:
    """The time is in milliseconds (§6)."""
    assert farewell(1.2345) == "come back in 1234 ms"


async def test_clients_are_served_until_their_turn() -> None:
    """One after the other is closed with 4200 and a time; who still waits gets its updates."""
    slow = Pace(rate=0.001, seconds=3600.0)
    async with running(pace=slow) as front, front.client() as one, front.client() as other:
        await one.subscribe(1, "a")
        await other.subscribe(1, "a")
        front.server.leave()
        assert not front.server.ready()
        dismissal = asyncio.create_task(front.server.dismiss(front.server.sockets))
        done, _ = await asyncio.wait(
            [asyncio.create_task(client.code()) for client in (one, other)], return_when=asyncio.FIRST_COMPLETED
        )
        assert [task.result() for task in done] == [4200]
        left = other if one.socket.close_code else one
        await front.multiplexer.commit("a")
        assert (await left.hear())["to"] == 1
        front.server.hurry.set()
        await soon(dismissal)
        assert await left.code() == 4200
        assert left.socket.close_reason is not None
        seconds = int(left.socket.close_reason.removeprefix("come back in ").removesuffix(" ms")) / 1000
        assert seconds == pytest.approx(1000.0, abs=20.0), "its turn was a thousand seconds later"


async def test_told_over_the_bus() -> None:
    """A share of the clients goes and comes back where it likes; told of all, the front is to end."""
    async with running() as front, front.client() as one, front.client() as other:
        await front.multiplexer.publish(Drain(0.5))
        gone = [asyncio.create_task(client.code()) for client in (one, other)]
        done, left = await asyncio.wait(gone, return_when=asyncio.FIRST_COMPLETED)
        assert [task.result() for task in done] == [4200]
        assert len(left) == 1
        stays = other if one.socket.close_code else one
        await stays.say(type="ping")
        assert await stays.hear() == {"type": "pong"}
        assert not front.server.told.is_set()
        await front.multiplexer.publish(Drain(1.0))
        await soon(front.server.told.wait())


async def test_as_fast_as_the_others_take_them() -> None:
    """What other fronts say of themselves counts for more than what was assumed of them."""
    async with running(pace=Pace(rate=0.001, seconds=3600.0)) as front, front.client() as one, front.client() as two:
        other = front.memory.front("other")
        await other.register([], [])
        await other.renew(1000.0)
        await soon(front.server.dismiss(front.server.sockets))
        for client in (one, two):
            assert await client.code() == 4200
            assert client.socket.close_reason == "come back in 0 ms"


async def test_balancers_are_told_first() -> None:
    """For a while the front says that it is not ready, and serves everybody as before, newcomers too."""
    async with running() as front, front.client() as one:
        assert front.server.ready()
        notice = asyncio.create_task(front.server.give_notice(3600.0))
        await turn_until(lambda: not front.server.ready())
        async with httpx.AsyncClient(base_url=front.http) as http:
            assert (await http.get("/readyz")).status_code == 503
        async with front.client() as newcomer:
            await newcomer.subscribe(1, "a")
            await one.subscribe(1, "a")
            await front.multiplexer.commit("a")
            assert (await newcomer.hear())["to"] == (await one.hear())["to"] == 1
            assert not notice.done()
            front.server.hurry.set()
            await soon(notice)


async def test_who_leaves_takes_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two fronts that leave at once do not send their clients to each other."""
    for module in ("front.hub", "front.server"):
        monkeypatch.setattr(f"{module}.RENEW", 0.05)
    monkeypatch.setattr("front.server.SWEEP", 0.02)
    async with running() as front, asyncio.timeout(20):
        other = front.memory.front("other")
        await other.register([], [])
        while not await other.intake_of_others():
            await asyncio.to_thread(os.sched_yield)
        front.server.leave()
        while await other.intake_of_others():
            await asyncio.to_thread(os.sched_yield)
