import asyncio
import json
import os
import socket
import time
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from contextlib import asynccontextmanager

import pytest
from websockets.frames import Opcode

from broker.bus import News
from broker.errors import BusLost
from broker.memory_bus import MemoryBus
from broker.messages import Parcel
from broker.registry import NO_CHANGES, Changes
from front.clients import frames_of
from front.connection import HEARTBEAT
from front.server import BLOCKED_AT_MOST, WRITE_BUFFER, Socket

from .running import DEADLINE, GATE, Multiplexer, Running, on_both_loops, running, soon
from .wire import Json, Reader, masked, request


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
        heard = [(await _read_frame(reader))["type"] for _ in range(4)]
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
async def test_a_bad_frame_closes_its_sender_alone() -> None:
    """Promise 8: a coded close for one, and the other does not notice."""
    async with running() as front, front.client() as bad, front.client() as good:
        await good.subscribe(1, "a")
        await soon(bad.socket.send("nonsense"))
        assert await bad.code() == 4001
        await front.multiplexer.commit("a")
        assert (await good.hear())["to"] == 1


@on_both_loops
async def test_a_frame_that_is_too_large_hears_its_code() -> None:
    """§1: although the client is still sending when it is refused, it reads 4002 and not a broken connection."""
    async with running() as front, front.client() as client:
        with_tail = asyncio.create_task(client.socket.send("x" * 3_000_000))
        assert await client.code() == 4002
        await asyncio.gather(with_tail, return_exceptions=True)


@on_both_loops
async def test_a_fault_of_ours_closes_one_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    """A bug that one client's frame meets ends that connection with 1011, logged, and nothing else."""
    async with running() as front, front.client() as victim, front.client() as other:
        monkeypatch.setattr("front.hub.Hub.receive", lambda *_: 1 / 0)
        await victim.say(type="unsubscribe", ids=[])
        assert await victim.code() == 1011
        await other.say(type="ping")
        assert await other.hear() == {"type": "pong"}


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


@on_both_loops
async def test_a_slow_client_is_bounded_and_catches_up() -> None:
    """Promise 7: a client that does not read holds little memory, others go on, and when it reads it has no gap."""
    async with (
        running() as front,
        front.client() as quick,
        _plain_client(front, receive_buffer=4096) as (reader, writer),
    ):
        await quick.subscribe(1, "a")
        writer.write(masked(json.dumps({"type": "subscribe", "stores": [{"id": 1, "name": "a"}]}).encode()))
        for _ in range(400):
            await front.multiplexer.commit("a", padding=60_000)
            await quick.hear()
        (blocked,) = [socket for socket in front.sockets if socket._blocked_at is not None]
        assert blocked._transport is not None
        waiting = blocked._transport.get_write_buffer_size()
        assert waiting < WRITE_BUFFER + 200_000
        version = -1
        while version < 400:
            frame = await _read_frame(reader)
            if frame["type"] == "snapshot":
                version = frame["version"]
            elif frame["type"] == "update":
                assert frame["from"] == version
                version = frame["to"]


@on_both_loops
async def test_a_client_that_reads_a_kilobyte_a_second() -> None:
    """Promise 7, as time goes by: a hundred updates for every kilobyte it reads; it is collapsed and not dropped."""
    seconds, updates = 40, 100
    async with (
        running() as front,
        front.client() as quick,
        _plain_client(front, receive_buffer=4096) as (reader, writer),
    ):
        await quick.subscribe(1, "a")
        writer.write(masked(json.dumps({"type": "subscribe", "stores": [{"id": 1, "name": "a"}]}).encode()))
        frames, most, version, got = Reader(), 0, -1, 0
        for second in range(seconds + 1):
            if second < seconds:
                for _ in range(updates):
                    await front.multiplexer.commit("a", padding=400)
                for _ in range(updates):
                    await quick.hear()
            most = max(most, *map(_waiting, front.sockets))
            while version < front.multiplexer.truth.versions["a{}"]:
                data = await soon(reader.read(1_024))
                for frame in (json.loads(payload) for _, payload in frames.feed(data)):
                    if frame["type"] == "snapshot":
                        version, got = frame["version"], got + 1
                    elif frame["type"] == "update":
                        assert frame["from"] == version
                        version, got = frame["to"], got + 1
                if second < seconds:
                    break
        assert version == seconds * updates
        assert got < version / 2, "what it missed came as one update or snapshot each time"
        assert 0 < most < WRITE_BUFFER / 2


@on_both_loops
async def test_a_flood_of_pings() -> None:
    """Who asks without reading the answers is not heard any more until it reads; others do not notice."""
    async with (
        running() as front,
        front.client() as other,
        _plain_client(front, receive_buffer=4096) as (_, writer),
    ):
        flood = masked(b"x" * 125, opcode=Opcode.PING) * 200_000  # more than the system keeps
        writer.write(flood)
        await _until(lambda: any(socket._blocked_at is not None for socket in front.sockets))
        (blocked,) = [socket for socket in front.sockets if socket._blocked_at is not None]
        assert blocked._transport is not None
        assert blocked._transport.get_write_buffer_size() < 2 * WRITE_BUFFER
        await other.say(type="ping")
        assert await other.hear() == {"type": "pong"}
        assert writer.transport.get_write_buffer_size() > 0, "it is left with the rest of its flood"


@on_both_loops
async def test_deadlines(monkeypatch: pytest.MonkeyPatch) -> None:
    """§2: no hello in time, and nothing heard for too long, each close with their code; who answers pings stays."""
    monkeypatch.setattr("front.server.HELLO_WITHIN", 0.1)
    monkeypatch.setattr("front.server.HEARTBEAT", 0.5)
    monkeypatch.setattr("front.ticks.SLOT", 0.05)
    monkeypatch.setattr("front.server.SWEEP", 0.02)
    async with (
        running() as front,
        front.client(hello=False) as silent,
        front.client() as alive,
        _plain_client(front) as (reader, _),
    ):
        assert await silent.code() == 4102
        payloads = []
        while (frame := await _read_raw(reader))[0] != 8:
            payloads.append(frame[0])
        assert payloads == [9], "one ping comes before the end"
        assert int.from_bytes(frame[1][:2], "big") == 4201
        await alive.say(type="ping")
        assert await alive.hear() == {"type": "pong"}


@on_both_loops
async def test_a_connection_ends_with_its_token(monkeypatch: pytest.MonkeyPatch) -> None:
    """§2: who shows a fresh token in time stays, who does not is closed with 4101, blocked or not."""
    monkeypatch.setattr("front.ticks.SLOT", 0.05)
    monkeypatch.setattr("front.server.SWEEP", 0.02)
    monkeypatch.setattr("front.gates.LEEWAY", 0.0)
    async with (
        running() as front,
        front.client(hello=False) as ada,
        front.client(hello=False) as bob,
        _plain_client(front, receive_buffer=4096, lifetime=4.0) as (_, writer),
    ):
        writer.write(masked(b"x" * 125, opcode=Opcode.PING) * 50_000)
        await _until(lambda: any(socket._blocked_at is not None for socket in front.sockets))
        await ada.hello(lifetime=2.0)
        await bob.hello(lifetime=2.0)
        await ada.say(type="refresh", token=GATE.sign("ada", now=time.time(), lifetime=60))
        assert await bob.code() == 4101
        await ada.say(type="ping")
        assert await ada.hear() == {"type": "pong"}
        await ada.say(type="dispatch", number=1, name="a")
        await ada.hear()
        (action,) = front.multiplexer.actions
        assert json.loads(action.claims)["exp"] > time.time() + 50
        await _until(lambda: len(front.sockets) == 1)


@on_both_loops
async def test_a_front_that_stood_still_blames_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """After a long stall, what clients said meanwhile is heard first, and who is silent is asked and not closed."""
    monkeypatch.setattr("front.server.SWEEP", 0.02)
    async with running() as front, front.client() as talking, _plain_client(front) as (reader, _):
        await talking.subscribe(1, "a")
        now = front.server.now
        monkeypatch.setattr(front.server, "now", lambda: now() + 2 * HEARTBEAT + 5)
        assert (await _read_raw(reader))[0] == Opcode.PING, "asked, and not closed"
        await talking.say(type="ping")
        assert await talking.hear() == {"type": "pong"}


@on_both_loops
async def test_a_client_blocked_for_too_long_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    """4202: nothing can be told any more, so the socket is cut."""
    monkeypatch.setattr("front.server.BLOCKED_AT_MOST", 0.3)
    async with running() as front, _plain_client(front, receive_buffer=4096) as (reader, writer):
        writer.write(masked(json.dumps({"type": "subscribe", "stores": [{"id": 1, "name": "a"}]}).encode()))
        await _read_frame(reader)
        await _read_frame(reader)
        assert len(front.sockets) == 1
        for _ in range(200):
            await front.multiplexer.commit("a", padding=60_000)
        await _until(lambda: not front.sockets)


@on_both_loops
async def test_a_slow_client_is_not_cut() -> None:
    """4202 is for a socket that takes nothing: who takes a little within the time has the time again."""
    async with running() as front, _plain_client(front, receive_buffer=4096) as (reader, writer):
        writer.write(masked(json.dumps({"type": "subscribe", "stores": [{"id": 1, "name": "a"}]}).encode()))
        for _ in range(2):
            await _read_frame(reader)
        for _ in range(100):
            await front.multiplexer.commit("a", padding=60_000)
        await _until(lambda: front.sockets[0]._blocked_at is not None)
        (slow,) = front.sockets
        assert slow._blocked_at is not None
        assert slow._transport is not None
        slow._blocked_bytes = slow._transport.get_write_buffer_size() + 1  # one byte was taken
        first = slow._blocked_at + BLOCKED_AT_MOST
        slow.look(first)
        assert not slow._transport.is_closing()
        slow.look(first + BLOCKED_AT_MOST - 1)
        assert not slow._transport.is_closing()
        slow.look(first + BLOCKED_AT_MOST)
        await _until(lambda: not front.sockets)


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

    async def renew(self) -> bool:
        self._check()
        return await self._end.renew()

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
        await _until(front.server.ready)
        bus.lost = True
        bus.tried.clear()
        await soon(bus.tried.wait())
        await client.say(type="dispatch", number=1, name="a")
        bus.lost = False
        frames = [await client.hear(), await client.hear()]
        assert sorted(frame["type"] for frame in frames) == ["outcome", "update"]
    work.cancel()
    await asyncio.gather(work, return_exceptions=True)


async def _until(condition: Callable[[], bool]) -> None:
    """Let the loop turn until something is so."""
    async with asyncio.timeout(DEADLINE):
        while not condition():
            await asyncio.to_thread(os.sched_yield)


def _waiting(socket: Socket) -> int:
    """Bytes that the front keeps for a client."""
    assert socket._transport is not None
    assert socket._client is not None
    return socket._transport.get_write_buffer_size() + sum(map(len, frames_of(socket._client.outgoing)))


@asynccontextmanager
async def _plain_client(
    front: Running, *, receive_buffer: int | None = None, lifetime: float = 60
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A client on a bare socket that says hello, and then neither reads nor answers pings by itself."""
    plain = socket.socket()
    if receive_buffer is not None:
        plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    plain.setblocking(False)
    await asyncio.get_running_loop().sock_connect(plain, ("127.0.0.1", front.port))
    reader, writer = await asyncio.open_connection(sock=plain, limit=2048)
    try:
        writer.write(request())
        await soon(reader.readuntil(b"\r\n\r\n"))
        token = GATE.sign("slow", now=time.time(), lifetime=lifetime)
        writer.write(masked(json.dumps({"type": "hello", "protocols": [1], "token": token, "client": "c"}).encode()))
        assert (await _read_frame(reader))["type"] == "welcome"
        yield reader, writer
    finally:
        writer.transport.abort()
        await asyncio.gather(writer.wait_closed(), return_exceptions=True)


async def _read_raw(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    first, length = await soon(reader.readexactly(2))
    if length == 126:
        length = int.from_bytes(await soon(reader.readexactly(2)), "big")
    elif length == 127:
        length = int.from_bytes(await soon(reader.readexactly(8)), "big")
    return first & 0x0F, await soon(reader.readexactly(length))


async def _read_frame(reader: asyncio.StreamReader) -> Json:
    frame = json.loads((await _read_raw(reader))[1])
    assert isinstance(frame, dict)
    return frame
