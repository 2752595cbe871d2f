import asyncio
import json
import time

import pytest
from websockets.frames import Opcode

from front.client_socket import BLOCKED_AT_MOST, WRITE_BUFFER, Socket
from front.clients import frames_of
from front.connection import HEARTBEAT

from .running import GATE, on_both_loops, plain_client, read_frame, read_raw, running, soon, turn_until
from .wire import Reader, masked


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
async def test_a_slow_client_is_bounded_and_catches_up() -> None:
    """Promise 7: a client that does not read holds little memory, others go on, and when it reads it has no gap."""
    async with (
        running() as front,
        front.client() as quick,
        plain_client(front, receive_buffer=4096) as (reader, writer),
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
            frame = await read_frame(reader)
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
        plain_client(front, receive_buffer=4096) as (reader, writer),
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
        plain_client(front, receive_buffer=4096) as (_, writer),
    ):
        flood = masked(b"x" * 125, opcode=Opcode.PING) * 200_000  # more than the system keeps
        writer.write(flood)
        await turn_until(lambda: any(socket._blocked_at is not None for socket in front.sockets))
        (blocked,) = [socket for socket in front.sockets if socket._blocked_at is not None]
        assert blocked._transport is not None
        assert blocked._transport.get_write_buffer_size() < 2 * WRITE_BUFFER
        await other.say(type="ping")
        assert await other.hear() == {"type": "pong"}
        assert writer.transport.get_write_buffer_size() > 0, "it is left with the rest of its flood"


@on_both_loops
async def test_deadlines(monkeypatch: pytest.MonkeyPatch) -> None:
    """§2: no hello in time, and nothing heard for too long, each close with their code; who answers pings stays."""
    monkeypatch.setattr("front.client_socket.HELLO_WITHIN", 0.1)
    monkeypatch.setattr("front.client_socket.HEARTBEAT", 0.5)
    monkeypatch.setattr("front.ticks.SLOT", 0.05)
    monkeypatch.setattr("front.server.SWEEP", 0.02)
    async with (
        running() as front,
        front.client(hello=False) as silent,
        front.client() as alive,
        plain_client(front) as (reader, _),
    ):
        assert await silent.code() == 4102
        payloads = []
        while (frame := await read_raw(reader))[0] != 8:
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
        plain_client(front, receive_buffer=4096, lifetime=4.0) as (_, writer),
    ):
        writer.write(masked(b"x" * 125, opcode=Opcode.PING) * 50_000)
        await turn_until(lambda: any(socket._blocked_at is not None for socket in front.sockets))
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
        await turn_until(lambda: len(front.sockets) == 1)


@on_both_loops
async def test_a_front_that_stood_still_blames_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """After a long stall, what clients said meanwhile is heard first, and who is silent is asked and not closed."""
    monkeypatch.setattr("front.server.SWEEP", 0.02)
    async with running() as front, front.client() as talking, plain_client(front) as (reader, _):
        await talking.subscribe(1, "a")
        now = front.server.now
        monkeypatch.setattr(front.server, "now", lambda: now() + 2 * HEARTBEAT + 5)
        assert (await read_raw(reader))[0] == Opcode.PING, "asked, and not closed"
        await talking.say(type="ping")
        assert await talking.hear() == {"type": "pong"}


@on_both_loops
async def test_a_client_blocked_for_too_long_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    """4202: nothing can be told any more, so the socket is cut."""
    monkeypatch.setattr("front.client_socket.BLOCKED_AT_MOST", 0.3)
    async with running() as front, plain_client(front, receive_buffer=4096) as (reader, writer):
        writer.write(masked(json.dumps({"type": "subscribe", "stores": [{"id": 1, "name": "a"}]}).encode()))
        await read_frame(reader)
        await read_frame(reader)
        assert len(front.sockets) == 1
        for _ in range(200):
            await front.multiplexer.commit("a", padding=60_000)
        await turn_until(lambda: not front.sockets)


@on_both_loops
async def test_a_slow_client_is_not_cut() -> None:
    """4202 is for a socket that takes nothing: who takes a little within the time has the time again."""
    async with running() as front, plain_client(front, receive_buffer=4096) as (reader, writer):
        writer.write(masked(json.dumps({"type": "subscribe", "stores": [{"id": 1, "name": "a"}]}).encode()))
        for _ in range(2):
            await read_frame(reader)
        for _ in range(100):
            await front.multiplexer.commit("a", padding=60_000)
        await turn_until(lambda: front.sockets[0]._blocked_at is not None)
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
        await turn_until(lambda: not front.sockets)


def _waiting(socket: Socket) -> int:
    """Bytes that the front keeps for a client."""
    assert socket._transport is not None
    assert socket._client is not None
    return socket._transport.get_write_buffer_size() + sum(map(len, frames_of(socket._client.outgoing)))
