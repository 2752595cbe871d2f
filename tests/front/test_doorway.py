import asyncio
import json
import os
import socket
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import httpx
import pytest
from websockets.asyncio.client import connect

from front.handshake import MAX_HEAD
from front.listener import SEND_BUFFER, shared_port

from .running import DEADLINE, GATE, Running, on_both_loops, running, soon
from .wire import Json, masked, request


@asynccontextmanager
async def stranger(front: Running) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """Somebody on a bare socket."""
    reader, writer = await soon(asyncio.open_connection("127.0.0.1", front.port))
    try:
        yield reader, writer
    finally:
        writer.transport.abort()
        await asyncio.gather(writer.wait_closed(), return_exceptions=True)


async def ended(reader: asyncio.StreamReader) -> bytes:
    """All that still comes, up to the end."""
    try:
        return await soon(reader.read())
    except ConnectionResetError:
        return b""


@on_both_loops
async def test_a_request_in_pieces() -> None:
    """A head may come byte by byte, and frames may follow it in its last segment."""
    token = GATE.sign("ada", now=time.time(), lifetime=60)
    hello = json.dumps({"type": "hello", "protocols": [1], "token": token, "client": "c"}).encode()
    async with running() as front, stranger(front) as (reader, writer):
        head = request()
        for byte in head[:-1]:
            writer.write(bytes([byte]))
            await writer.drain()
        writer.write(head[-1:] + masked(hello))
        assert (await soon(reader.readuntil(b"\r\n\r\n"))).startswith(b"HTTP/1.1 101 ")
        assert b'"welcome"' in await soon(reader.readuntil(b"}"))


@on_both_loops
async def test_slow_heads_are_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Slowloris: whoever does not come to the point in time is cut, and others are served meanwhile."""
    monkeypatch.setattr("front.doorway.HEAD_WITHIN", 0.3)
    monkeypatch.setattr("front.ticks.SLOT", 0.05)
    monkeypatch.setattr("front.server.SWEEP", 0.02)
    async with running() as front, stranger(front) as (silent, _), stranger(front) as (slow, writer):
        writer.write(b"GET /ws HTTP/1.1\r\nX: ")
        async with front.client() as client:
            await client.say(type="ping")
            assert await client.hear() == {"type": "pong"}
        assert await ended(silent) == b""
        assert await ended(slow) == b""
        await _until(lambda: not front.listener.server_state.connections)


@on_both_loops
async def test_slow_http_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same for a body that never comes whole."""
    monkeypatch.setattr("front.doorway.HTTP_WITHIN", 0.3)
    monkeypatch.setattr("front.ticks.SLOT", 0.05)
    monkeypatch.setattr("front.server.SWEEP", 0.02)
    async with running(guests=True) as front, stranger(front) as (reader, writer):
        writer.write(b"POST /guest HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{")
        assert await ended(reader) == b""


@on_both_loops
async def test_a_flood_of_headers() -> None:
    """Past a head's longest it is refused with 431; nothing more is kept of it."""
    async with running() as front, stranger(front) as (reader, writer):
        writer.write(b"GET /ws HTTP/1.1\r\n" + b"X: y\r\n" * MAX_HEAD)
        assert (await ended(reader)).startswith(b"HTTP/1.1 431 ") or not front.sockets
        await _until(lambda: not front.listener.server_state.connections)


@on_both_loops
async def test_clients_that_vanish_in_the_doorway() -> None:
    """Half-open or reset before the request is whole: nothing of them stays."""
    async with running() as front:
        for data in (b"", b"GET /ws HT", request()):
            async with stranger(front) as (reader, writer):
                writer.write(data)
                writer.write_eof()
                assert b"400" not in await ended(reader)
        await _until(lambda: not front.listener.server_state.connections)


@on_both_loops
async def test_one_request_a_connection() -> None:
    """Plain HTTP closes behind its answer: a connection that stays is a WebSocket."""
    async with running() as front, httpx.AsyncClient(base_url=front.http) as http:
        assert (await http.get("/healthz")).headers["connection"] == "close"
        async with stranger(front) as (reader, writer):
            writer.write(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n" * 3)
            assert (await ended(reader)).count(b"HTTP/1.1 200") == 1


@on_both_loops
async def test_compressed_on_a_real_socket() -> None:
    """A browser's offer is taken: what it sends compressed is heard, what many read is compressed once for all."""
    async with running() as front:
        front.multiplexer.document = {"x": "lorem ipsum " * 500}
        address = f"ws://127.0.0.1:{front.port}/ws"
        async with connect(address, compression="deflate", max_size=None, ping_interval=None) as ada:
            token = GATE.sign("ada", now=time.time(), lifetime=60)
            await ada.send(json.dumps({"type": "hello", "protocols": [1], "token": token, "client": "c"}))
            await ada.send(json.dumps({"type": "subscribe", "stores": [{"id": 1, "name": "a", "params": {}}]}))
            frames: list[Json] = [json.loads(await soon(ada.recv())) for _ in range(3)]
            assert [frame["type"] for frame in frames] == ["welcome", "subscribed", "snapshot"]
            assert frames[2]["document"] == front.multiplexer.document
            await front.multiplexer.commit("a", padding=5_000)
            assert json.loads(await soon(ada.recv()))["to"] == 1


async def _until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(DEADLINE):
        while not condition():
            await asyncio.to_thread(os.sched_yield)


def test_sockets_inherit_their_buffer() -> None:
    """What the system keeps for a client is bounded on the listening socket already."""
    with shared_port("127.0.0.1", 0) as bound:
        bound.listen()
        with socket.create_connection(bound.getsockname()):
            accepted, _ = bound.accept()
            with accepted:
                assert accepted.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF) <= 2 * SEND_BUFFER
