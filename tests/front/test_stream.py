import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest

from front.deflate import Deflater
from front.events import EVENTS, events
from front.frames import websocket_frame
from front.rules import Rules
from front.stream import COMMENT, HEAD, MOST_SAID, Asked, Stream

from .running import GATE, Running, on_both_loops, running, soon
from .test_doorway import ended, stranger
from .wire import Json


def hello(actor: str = "ada", **members: object) -> Json:
    token = GATE.sign(actor, now=time.time(), lifetime=60)
    return {"type": "hello", "protocols": [1], "token": token, "client": "c", **members}


def stores(*names: str, **members: object) -> Json:
    wanted = [{"id": number, "name": name, **members} for number, name in enumerate(names, start=1)]
    return {"type": "subscribe", "stores": wanted}


def request(*frames: Json, body: bytes | None = None, head: str = "") -> bytes:
    text = json.dumps(frames).encode() if body is None else body
    kind = "Content-Type: application/json"
    return f"POST /events HTTP/1.1\r\n{kind}\r\nContent-Length: {len(text)}\r\n{head}\r\n".encode() + text


class Listener:
    """A client that takes events."""

    def __init__(self, answer: httpx.Response) -> None:
        self.answer = answer
        self._lines = answer.aiter_lines()
        self.comments = 0

    async def hear(self) -> Json:
        while True:
            line = await soon(anext(self._lines))
            if line.startswith("data:"):
                frame = json.loads(line[5:])
                assert isinstance(frame, dict)
                return frame
            self.comments += line.startswith(":")


@asynccontextmanager
async def listening(front: Running, *frames: Json) -> AsyncIterator[Listener]:
    async with (
        httpx.AsyncClient(base_url=front.http, timeout=20) as http,
        http.stream("POST", "/events", json=frames) as answer,
    ):
        assert answer.status_code == 200
        assert answer.headers["content-type"] == "text/event-stream"
        assert answer.headers["cache-control"] == "no-store"
        yield Listener(answer)


async def test_the_frames_of_a_websocket() -> None:
    """The same frames in the same order; what moves arrives, commits as a whole."""
    async with running() as front, listening(front, hello(), stores("a", "b")) as listener:
        first = [await listener.hear() for _ in range(5)]
        assert [frame["type"] for frame in first] == ["welcome", *["subscribed", "snapshot"] * 2]
        await front.multiplexer.commit("a", "b")
        later = [await listener.hear() for _ in range(3)]
        assert [frame["type"] for frame in later] == ["commit", "update", "update"]


async def test_it_goes_on_where_it_was() -> None:
    """§3: who names epoch and version gets what is newer, and who claims to be there gets nothing else."""
    async with running() as front, front.client() as other:
        await other.subscribe(1, "a")
        await front.multiplexer.commit("a")
        assert (await other.hear())["to"] == 1
        async with listening(front, hello(), stores("a", epoch="e", version=0)) as listener:
            frames = [await listener.hear() for _ in range(3)]
            assert [frame["type"] for frame in frames] == ["welcome", "subscribed", "update"]
            assert frames[1]["resumed"]


async def test_silence_is_filled(monkeypatch: pytest.MonkeyPatch) -> None:
    """A comment now and then tells proxies that the stream lives; nobody has to answer it."""
    monkeypatch.setattr("front.client_socket.HEARTBEAT", 0.1)
    monkeypatch.setattr("front.ticks.SLOT", 0.05)
    monkeypatch.setattr("front.server.SWEEP", 0.02)
    async with running() as front, listening(front, hello(), stores("a")) as listener:
        for _ in range(3):
            await listener.hear()
        while listener.comments < 5:
            line = await soon(anext(listener._lines))
            listener.comments += line.startswith(":")
        await front.multiplexer.commit("a")
        assert (await listener.hear())["type"] == "update"


async def test_gone_without_a_trace() -> None:
    """Who ends his connection is forgotten."""
    async with running() as front:
        async with listening(front, hello(), stores("a")) as listener:
            await listener.hear()
            assert len(front.server.hub._clients) == 1
        while front.server.hub._clients:
            await soon(front.multiplexer.commit("a"))


async def test_a_goodbye_with_its_code() -> None:
    """What a WebSocket is closed with stands in the last event."""
    async with running() as front, listening(front, hello(), stores("a")) as listener:
        for _ in range(3):
            await listener.hear()
        (socket,) = front.sockets
        socket.shutdown()
        assert await listener.hear() == {"type": "closed", "code": 4200, "reason": "the front is going away"}
        with pytest.raises(StopAsyncIteration):
            await listener.hear()


def refused() -> list[tuple[bytes, int, str]]:
    """Requests, and the status and code of their answers."""
    return [
        (request(body=b"{"), 400, "bad_request"),
        (request(body=b"[]"), 400, "bad_request"),
        (request(body=b"[" * 1000), 400, "bad_request"),
        (request(body=b'[{"type":"hello"}]'), 400, "bad_request"),
        (request(body=b'["\xff"]'), 400, "bad_request"),
        (request(stores("a")), 400, "bad_request"),
        (request(hello(), hello()), 200, ""),
        (request(hello(protocols=[9])), 400, "bad_request"),
        (request(hello(token=None)), 401, "no_token"),
        (request(hello(token="x.y.z")), 401, "token_refused"),
        (request(body=b"[%b]" % (b'"' + b"x" * 70_000 + b'"')), 400, "bad_request"),
        (b"POST /events HTTP/1.1\r\nContent-Type: application/json\r\n\r\n", 400, "bad_request"),
        (b"POST /events HTTP/1.1\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\n[]", 415, "not_json"),
        (request(hello(), head="Transfer-Encoding: chunked\r\n"), 400, "bad_request"),
        (request(hello(), head="Content-Length: 7\r\n"), 400, "bad_request"),
        (b"POST /events HTTP/2\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n[]", 400, "bad_request"),
        (
            b"POST /events HTTP/1.1\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % (MOST_SAID + 1),
            413,
            "too_large",
        ),
        (
            b"POST /events HTTP/1.1\r\nContent-Type: application/json\r\nContent-Length: %b\r\n\r\n" % (b"9" * 5000),
            413,
            "too_large",
        ),
    ]


@on_both_loops
async def test_refusals() -> None:
    """Whatever is wrong with a request is told in its answer, as a problem; nothing of it stays."""
    async with running() as front:
        for sent, status, code in refused():
            async with stranger(front) as (reader, writer):
                writer.write(sent)
                answer = await ended(reader)
                assert answer.startswith(b"HTTP/1.1 %d " % status), (sent[:200], answer[:300])
                if code:
                    problem = json.loads(answer.partition(b"\r\n\r\n")[2])
                    assert (problem["status"], problem["code"]) == (status, code), sent[:200]
                else:
                    assert b'"code":4001' in answer.replace(b" ", b"")
        assert not front.server.hub._clients


async def test_a_body_that_never_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is waited for as long as for a hello."""
    monkeypatch.setattr("front.client_socket.HELLO_WITHIN", 0.1)
    monkeypatch.setattr("front.ticks.SLOT", 0.05)
    monkeypatch.setattr("front.server.SWEEP", 0.02)
    async with running() as front, stranger(front) as (reader, writer):
        writer.write(request(hello())[:-5])
        assert (await ended(reader)).startswith(b"HTTP/1.1 408 ")


def test_in_pieces() -> None:
    """A body may come byte by byte; the head of the answer comes with its first event."""
    body = json.dumps([hello(), {"type": "ping"}]).encode()
    stream = Stream(verify=GATE.verify, rules=Rules(), asked=Asked(len(body)))
    for byte in body[:-1]:
        stream.receive(bytes([byte]), 0.0)
        assert stream.quiet
    stream.receive(body[-1:] + b"and more", 0.0)
    head, welcome, pong = stream.data_to_send()
    assert head == HEAD + b"\r\n"
    assert welcome.startswith(b'data:{"type":"welcome"')
    assert pong == b'data:{"type":"pong"}\n\n'
    stream.receive(b"[]", 0.0)
    assert not stream.data_to_send()
    stream.ping()
    assert stream.data_to_send() == (COMMENT,)


def test_framed_once_for_all() -> None:
    """Like a compressed frame, an event is made once however many take it."""
    deflater = Deflater()
    frames = websocket_frame(b'{"x":"' + b"y" * 500 + b'"}') + websocket_frame(b"{}")
    made = deflater.frames(frames, EVENTS)
    assert made == b'data:{"x":"' + b"y" * 500 + b'"}\n\ndata:{}\n\n'
    assert deflater.frames(frames, EVENTS) is made
    assert events(websocket_frame(b'{"x":\r\n1}')) == b'data:{"x":  1}\n\n'


def test_where_a_browser_is() -> None:
    """What takes a store somewhere says where: a browser that comes back names the last such event."""
    snapshot, update, pong = (
        {"type": "snapshot", "store": "a{}", "epoch": "e.1", "version": 5, "document": {"type": "x", "version": 9}},
        {"type": "update", "store": "a{}", "epoch": "e.1", "from": 5, "to": 7, "patch": []},
        {"type": "pong"},
    )
    made = [events(websocket_frame(json.dumps(frame).encode())) for frame in (snapshot, update, pong)]
    assert [event.split(b"\n")[1:] for event in made] == [[b"id:e.1.5", b"", b""], [b"id:e.1.7", b"", b""], [b"", b""]]


async def test_slow_listeners_collapse() -> None:
    """A stream is bounded as a WebSocket is: who does not read gets one newer state."""
    async with running() as front, stranger(front) as (reader, writer), asyncio.timeout(20):
        writer.write(request(hello(), stores("a")))
        await reader.readuntil(b'"snapshot"')
        (client,) = front.server.hub._clients.values()
        while not client.blocked:
            await soon(front.multiplexer.commit("a", padding=100_000))
        for _ in range(20):
            await front.multiplexer.commit("a", padding=100_000)
        version = front.multiplexer.truth.versions["a{}"]
        rest = b""
        while b'"version": %d,' % version not in rest and b'"to": %d,' % version not in rest:
            rest = rest[-100:] + await reader.read(100_000)


async def test_beside_others() -> None:
    """WebSockets and streams that hold the same store get the same, each in its form."""
    async with running() as front, front.client() as client, listening(front, hello(), stores("a")) as listener:
        await client.subscribe(1, "a")
        for _ in range(3):
            await listener.hear()
        await front.multiplexer.commit("a")
        assert await client.hear() == await listener.hear()
