"""The Python client on real sockets: comes back, stops when told to, notices silence."""

import asyncio
import socket

import pytest

from fluxwire.client import Client, Refused, Stopped, return_time
from fluxwire.client import client as client_module

from .scripted import DEADLINE, Peer, front

STORE = {"store": "room{}", "epoch": "e"}


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Come back at once."""
    monkeypatch.setattr(client_module, "LONGEST_PAUSE", 0.01)


async def test_dispatch_and_subscribe() -> None:
    """A client subscribes, sees a snapshot and an update, dispatches and has the reply."""

    async def script(peer: Peer) -> None:
        hello = await peer.welcome()
        assert (hello["token"], hello["client"], hello["protocols"]) == ("token", "c1", [1])
        assert (await peer.hear())["stores"] == [{"id": 1, "name": "room", "params": {}}]
        await peer.say("subscribed", id=1, version=1, resumed=False, **STORE)
        await peer.say("snapshot", version=1, document={"n": 1}, **STORE)
        action = await peer.hear()
        assert (action["name"], action["params"]) == ("act", {"a": "é"})
        patch = [{"op": "replace", "path": "/n", "value": 2}]
        await peer.say("update", **{"from": 1, "to": 2}, patch=patch, **STORE)
        await peer.outcome(action["number"], reply=[7])
        assert await peer.hear() == {"type": "unsubscribe", "ids": [1]}
        await peer.socket.wait_closed()

    async with front(script) as url, Client(url, "token", "c1") as client, asyncio.timeout(DEADLINE):
        room = client.subscribe("room")
        await room.ready()
        assert room.document == {"n": 1}
        assert await client.dispatch("act", {"a": "é"}) == [7]
        assert await room.changed(1) == 2
        assert room.document == {"n": 2}
        client.unsubscribe(room)


async def test_comes_back() -> None:
    """After a loss the client comes back, resumes its stores and sends again what has no outcome."""

    async def first(peer: Peer) -> None:
        await peer.welcome()
        await peer.hear()
        await peer.say("subscribed", id=1, version=1, resumed=False, **STORE)
        await peer.say("snapshot", version=1, document={}, **STORE)
        assert (await peer.hear())["number"] == 1
        peer.socket.transport.abort()

    async def second(peer: Peer) -> None:
        await peer.welcome()
        (asked,) = (await peer.hear())["stores"]
        assert (asked["epoch"], asked["version"]) == ("e", 1)
        assert (await peer.hear())["number"] == 1
        await peer.outcome(1, reply="done")
        await peer.socket.wait_closed()

    async with front(first, second) as url, Client(url, "token") as client, asyncio.timeout(DEADLINE):
        room = client.subscribe("room")
        await room.ready()
        assert await client.dispatch("act") == "done"
        assert client.connects == 2


@pytest.mark.parametrize("code", [1000, 1001, 1011, 1012, 4102, 4200, 4201, 4202, 4299, 4999])
async def test_codes_to_come_back_after(code: int) -> None:
    """§6: after these codes, and unknown ones of their range, a client comes back."""

    async def away(peer: Peer) -> None:
        await peer.socket.close(code)

    async def stay(peer: Peer) -> None:
        await peer.welcome()
        await peer.socket.wait_closed()

    async with front(away, away, stay) as url, asyncio.timeout(DEADLINE), Client(url, "token") as client:
        assert client.connects == 1


async def test_when_to_come_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """§6: a client comes back when the reason says, without a back-off of its own."""
    monkeypatch.setattr("fluxwire.client.client.SHORTEST_PAUSE", 1000.0)
    monkeypatch.setattr("fluxwire.client.client.LONGEST_PAUSE", 1000.0)
    monkeypatch.setattr("random.uniform", lambda _low, high: high)
    loop = asyncio.get_running_loop()
    closed_at: list[float] = []
    back = asyncio.Event()

    async def away(peer: Peer) -> None:
        await peer.welcome()
        closed_at.append(loop.time())
        await peer.socket.close(4200, "come back in 300 ms")

    async def stay(peer: Peer) -> None:
        closed_at.append(loop.time())
        await peer.welcome()
        back.set()
        await peer.socket.wait_closed()

    async with front(away, stay) as url, asyncio.timeout(DEADLINE), Client(url, "token"):
        await back.wait()
        assert closed_at[1] - closed_at[0] >= 0.3


@pytest.mark.parametrize(
    ("reason", "seconds"),
    [
        ("come back in 1500 ms", 1.5),
        ("come back in 0 ms, please", 0.0),
        ("come back in 999999999999 ms", 300.0),
        ("come back in -1 ms", None),
        ("do come back in 5 ms", None),
        ("", None),
    ],
)
def test_return_times(reason: str, seconds: float | None) -> None:
    """Whatever is no time to come back is none, and none is endless."""
    assert return_time(reason) == seconds


@pytest.mark.parametrize("code", [1002, 1003, 1007, 1009, 4000, 4001, 4002, 4003, 4099, 4100, 4101, 4199])
async def test_codes_to_stop_after(code: int) -> None:
    """§6: after these codes, and unknown ones of their range, a client stops, and whoever waits learns why."""

    async def away(peer: Peer) -> None:
        await peer.socket.close(code, "go away")

    async with front(away) as url, asyncio.timeout(DEADLINE):
        client = Client(url, "token")
        action, room = client.dispatch("act"), client.subscribe("room")
        with pytest.raises(Stopped, match="go away") as stopped:
            await client.connect()
        assert stopped.value.code == code
        with pytest.raises(Stopped):
            await action
        with pytest.raises(Stopped):
            await room.ready()
        with pytest.raises(Stopped):
            await client.dispatch("late")
        await client.close()


async def test_no_protocol() -> None:
    """A front that says nonsense is left, and tried again."""

    async def nonsense(peer: Peer) -> None:
        await peer.socket.send("hello yourself")
        await peer.socket.wait_closed()

    async def stay(peer: Peer) -> None:
        await peer.welcome()
        await peer.socket.wait_closed()

    async with front(nonsense, stay) as url, asyncio.timeout(DEADLINE), Client(url, "token"):
        pass


async def test_several_fronts() -> None:
    """A front that is not there is passed over for the next one."""
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))  # bound and never listening: refuses

        async def stay(peer: Peer) -> None:
            await peer.welcome()
            await peer.socket.wait_closed()

        closed = f"ws://127.0.0.1:{nobody.getsockname()[1]}/ws"
        async with front(stay) as url, asyncio.timeout(DEADLINE), Client([closed, url], "token") as client:
            assert client.connects == 1


async def test_wrong_address() -> None:
    """An address that is none stops the client."""
    client = Client("http://127.0.0.1/", "token")
    with pytest.raises(Stopped, match="http"):
        await client.connect()


async def test_heartbeat() -> None:
    """§2: a silent front is asked for a sign of life, and one that gives it is kept."""

    async def script(peer: Peer) -> None:
        await peer.welcome(heartbeat_ms=300)
        assert (await peer.hear())["type"] == "subscribe"
        for _ in range(3):
            assert await peer.hear() == {"type": "ping"}
            await peer.say("pong")
        await peer.say("unsubscribed", id=1, error={"code": "forbidden", "message": "enough"})
        await peer.socket.wait_closed()

    async def only_once(peer: Peer) -> None:
        raise AssertionError("it came back")

    async with front(script, only_once) as url, Client(url, "token") as client, asyncio.timeout(DEADLINE):
        room = client.subscribe("room")
        with pytest.raises(Refused):
            await room.ready()
        assert client.connects == 1


async def test_dead_front() -> None:
    """§2: a front that gives no sign of life is left for another."""

    async def dead(peer: Peer) -> None:
        await peer.welcome(heartbeat_ms=50)
        await peer.socket.wait_closed()

    async def alive(peer: Peer) -> None:
        await peer.welcome()
        assert (await peer.hear())["number"] == 1
        await peer.outcome(1)
        await peer.socket.wait_closed()

    async with front(dead, alive) as url, Client(url, "token") as client, asyncio.timeout(DEADLINE):
        await client.dispatch("act")
        assert client.connects == 2


async def test_expired_client() -> None:
    """A client that the database has forgotten comes back with a new id and sends its action as number 1."""
    ids = []

    async def forgot(peer: Peer) -> None:
        ids.append((await peer.welcome())["client"])
        await peer.hear()
        error = {"code": "client_expired", "message": "who?"}
        await peer.say("outcome", lane=0, number=1, status="invalid", error=error, stores={})
        await peer.socket.wait_closed()

    async def knows(peer: Peer) -> None:
        ids.append((await peer.welcome())["client"])
        assert (await peer.hear())["number"] == 1
        await peer.outcome(1)
        await peer.socket.wait_closed()

    async with front(forgot, knows) as url, Client(url, "token") as client, asyncio.timeout(DEADLINE):
        await client.dispatch("act")
    assert len(set(ids)) == 2


async def test_closed_by_its_user() -> None:
    """Closing the client ends what is waited for."""

    async def stay(peer: Peer) -> None:
        await peer.welcome()
        await peer.socket.wait_closed()

    async with front(stay) as url, asyncio.timeout(DEADLINE):
        client = Client(url, "token")
        await client.connect()
        action = client.dispatch("act")
        await client.close()
        with pytest.raises(Stopped, match="1000"):
            await action
        assert client.unanswered == 0


async def test_burst() -> None:
    """Ten thousand actions in one go all arrive, in order, each once."""
    count = 10_000

    async def script(peer: Peer) -> None:
        await peer.welcome()
        for number in range(1, count + 1):
            assert (await peer.hear())["number"] == number
            await peer.outcome(number, reply=number)
        await peer.socket.wait_closed()

    async with front(script) as url, Client(url, "token") as client, asyncio.timeout(60):
        actions = [client.dispatch("act") for _ in range(count)]
        assert [await action for action in actions] == list(range(1, count + 1))


async def test_fault_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    """Should the client itself break, whoever waits learns of it and nobody waits for ever."""

    async def say(peer: Peer) -> None:
        await peer.welcome()
        await peer.hear()
        await peer.say("pong")
        await peer.socket.wait_closed()

    async with front(say) as url, asyncio.timeout(DEADLINE), Client(url, "token") as client:

        def broken(text: object, now: object) -> None:
            raise ZeroDivisionError

        monkeypatch.setattr(client._session, "receive", broken)
        with pytest.raises(ZeroDivisionError):
            await client.dispatch("act")
