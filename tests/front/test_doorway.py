import asyncio
import json
import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from ipaddress import ip_network

import httpx
import pytest
from websockets.asyncio.client import connect
from websockets.typing import Subprotocol

from front.handshake import MAX_HEAD
from front.limits import Limits
from front.listener import SEND_BUFFER, bound_port
from front.proxies import Proxies
from front.rules import Rules

from .running import GATE, Running, on_both_loops, running, soon, turn_until
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
        await turn_until(lambda: not front.listener.server_state.connections)


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
        await turn_until(lambda: not front.listener.server_state.connections)


@on_both_loops
async def test_a_flood_of_cookies() -> None:
    """One header may be as long as all of them, and no longer."""
    async with running() as front, stranger(front) as (reader, writer):
        writer.write(b"GET /ws HTTP/1.1\r\nCookie: " + b"a=b; " * MAX_HEAD)
        assert (await ended(reader)).startswith(b"HTTP/1.1 431 ") or not front.sockets
        await turn_until(lambda: not front.listener.server_state.connections)


@on_both_loops
async def test_a_page_of_another_site() -> None:
    """Cross-site WebSocket hijacking: refused at the upgrade, before anything is believed, and counted."""
    rules = Rules(cookie="session")
    token = GATE.sign("ada", now=time.time(), lifetime=60)
    async with running(rules=rules) as front:
        for origin, status in (("http://evil.example", b"403"), ("http://front", b"101")):
            async with stranger(front) as (reader, writer):
                said = f"\r\nOrigin: {origin}\r\nCookie: session={token}\r\n\r\n".encode()
                writer.write(request().replace(b"\r\n\r\n", said))
                writer.write(masked(b'{"type":"hello","protocols":[1],"client":"c"}'))
                answer = await soon(reader.readuntil(b"\r\n\r\n"))
                assert answer.split()[1] == status
                if status == b"101":
                    assert b'"actor":"ada"' in await soon(reader.readuntil(b"}"))
        assert rules.refusals.counts == {403: 1}


@on_both_loops
@pytest.mark.parametrize("path", ["/events", "/poll", "/actions/a", "/guest"])
async def test_a_post_of_another_site(path: str) -> None:
    """Cross-site POST: whatever takes one, a page of another origin is refused before anything is looked at."""
    async with running(guests=True) as front, httpx.AsyncClient(base_url=front.http) as http:
        answer = await http.post(path, json={}, headers={"Origin": "http://evil.example"})
        assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")
        same = await http.post(path, json={}, headers={"Origin": front.http})
        assert same.status_code != 403
        assert front.multiplexer.actions == []


@on_both_loops
async def test_a_token_among_the_subprotocols() -> None:
    """§2: a browser can show its token in the upgrade, and hello needs none."""
    token = GATE.sign("ada", now=time.time(), lifetime=60)
    offered = [Subprotocol("fluxwire"), Subprotocol("token." + token)]
    async with running() as front:
        async with connect(f"ws://127.0.0.1:{front.port}/ws", subprotocols=offered, ping_interval=None) as ada:
            assert ada.subprotocol == "fluxwire"
            await ada.send('{"type":"hello","protocols":[1],"client":"c"}')
            assert json.loads(await soon(ada.recv()))["actor"] == "ada"
        await turn_until(lambda: not front.sockets)


def behind(address: str) -> Proxies:
    return Proxies([ip_network(address)])


@on_both_loops
@pytest.mark.parametrize("path", ["/ws", "/healthz"])
async def test_too_many_connections_of_an_address(path: str) -> None:
    """The one too many is refused with 429 whatever it asks for; another address is served, and one gone makes room."""
    rules = Rules(proxies=behind("127.0.0.1"), limits=Limits(address_connections=2))
    bob, eve = (
        request(path).replace(b"\r\n\r\n", f"\r\nX-Forwarded-For: {one}\r\n\r\n".encode())
        for one in ("203.0.113.1", "203.0.113.2")
    )
    async with running(rules=rules) as front:
        async with stranger(front) as (_, first), stranger(front) as (_, second):
            # Two that never come to an end: the announcement of a proxy alone counts them.
            for writer in (first, second):
                writer.write(b"PROXY TCP4 203.0.113.2 127.0.0.1 1 2\r\nGET /")
            await turn_until(lambda: not rules.addresses.has_room("203.0.113.2"))
            async with stranger(front) as (reader, writer):
                writer.write(eve)
                answer = await ended(reader)
                assert answer.startswith(b"HTTP/1.1 429 ")
                assert b"\r\nRetry-After: 10\r\n" in answer
            async with stranger(front) as (reader, writer):
                writer.write(bob)
                assert (await soon(reader.readuntil(b"\r\n"))).split()[1] in {b"101", b"404", b"200"}
        await turn_until(lambda: rules.addresses.has_room("203.0.113.2"))
        await turn_until(lambda: rules.addresses._counts == {})


@on_both_loops
async def test_too_fast_connections_of_an_address() -> None:
    """Ten seconds' worth may come at once; then 429, though none of them is here any more."""
    rules = Rules(proxies=behind("127.0.0.1"), limits=Limits(address_rate=1))
    answers = []
    async with running(rules=rules) as front:
        for _ in range(12):
            async with stranger(front) as (reader, writer):
                writer.write(b"GET /healthz HTTP/1.1\r\nHost: h\r\nX-Forwarded-For: 203.0.113.2\r\n\r\n")
                answers.append((await ended(reader)).split()[1])
    assert answers[:10] == [b"200"] * 10
    assert answers[-1] == b"429"


@on_both_loops
async def test_this_machine_and_what_clients_write() -> None:
    """Without the setting nobody's word is taken, and connections of this machine are not counted."""
    rules = Rules(limits=Limits(address_connections=1, address_rate=1))
    async with running(rules=rules) as front:
        async with front.client(), front.client(), stranger(front) as (reader, writer):
            writer.write(request().replace(b"\r\n\r\n", b"\r\nX-Forwarded-For: 203.0.113.2\r\n\r\n"))
            assert (await soon(reader.readuntil(b"\r\n"))).split()[1] == b"101"
            assert rules.addresses._counts == {}
        async with stranger(front) as (reader, writer):
            writer.write(b"PROXY TCP4 203.0.113.2 127.0.0.1 1 2\r\n" + request())
            assert (await ended(reader)).split()[1] == b"400"


@on_both_loops
@pytest.mark.parametrize("header", [b"PROXY nonsense\r\n", b"PROXY " + b"x" * 200])
async def test_a_proxy_that_stammers(header: bytes) -> None:
    """What is no header of the PROXY protocol is refused, so that nobody counts as their proxy."""
    async with running(rules=Rules(proxies=behind("127.0.0.1"))) as front, stranger(front) as (reader, writer):
        writer.write(header + request())
        assert (await ended(reader)).split()[1] == b"400"


@on_both_loops
async def test_too_many_connections_of_an_actor() -> None:
    """4203: for as long as the others are there, however they end."""
    rules = Rules(limits=Limits(actor_connections=2))
    async with running(rules=rules) as front:
        async with front.client(), front.client(), front.client(hello=False) as third:
            token = GATE.sign("ada", now=time.time(), lifetime=60)
            await third.say(type="hello", protocols=[1], token=token, client="c")
            assert await third.code() == 4203
            async with front.client(hello=False) as other:
                await other.hello("bob")
        await turn_until(lambda: rules.actors._counts == {})
        async with front.client() as again:
            await again.say(type="nonsense")
            assert await again.code() == 4001
        await turn_until(lambda: rules.actors._counts == {})
        assert rules.refusals.counts == {4203: 1, 4001: 1}


@on_both_loops
async def test_too_many_subscriptions() -> None:
    """The one too many is refused by a code, and can be had when another was let go."""
    async with running(rules=Rules(limits=Limits(subscriptions=2))) as front, front.client() as ada:
        await ada.subscribe(1, "a")
        await ada.subscribe(2, "b")
        await ada.say(type="subscribe", stores=[{"id": 3, "name": "c"}])
        frame = await ada.hear()
        assert (frame["type"], frame["id"], frame["error"]["code"]) == ("unsubscribed", 3, "too_many_subscriptions")
        await ada.say(type="unsubscribe", ids=[1])
        await ada.subscribe(3, "c")


@on_both_loops
async def test_actions_that_come_too_fast() -> None:
    """Ten seconds' worth may come at once, of all connections of an actor; then `busy`, and others are not slower."""
    async with (
        running(rules=Rules(limits=Limits(actor_actions=1))) as front,
        front.client() as ada,
        front.client() as too,
    ):
        for number in range(1, 11):
            await ada.say(type="dispatch", number=number, name="a")
            assert (await ada.hear())["status"] == "ok"
        await too.say(type="dispatch", number=1, name="a")
        frame = await too.hear()
        assert (frame["status"], frame["error"]["code"]) == ("invalid", "busy")
        async with front.client(hello=False) as bob:
            await bob.hello("bob")
            await bob.say(type="dispatch", number=1, name="a")
            assert (await bob.hear())["status"] == "ok"


@on_both_loops
async def test_a_log_filled_by_refusals(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    """A hundred refusals are one line, and no token is in it, wherever it was shown."""
    monkeypatch.setattr("front.server.SWEEP", 0.02)
    caplog.set_level("DEBUG")
    rules = Rules(cookie="session")
    token = GATE.sign("ada", now=1.0, lifetime=60)  # expired
    async with running(rules=rules) as front:
        for where in range(100):
            async with stranger(front) as (reader, writer):
                cookie, offer = f"Cookie: session={token}", f"Sec-WebSocket-Protocol: fluxwire, token.{token}"
                head = request(f"/ws?token={token}")
                writer.write(head.replace(b"\r\n\r\n", f"\r\n{(cookie, offer, 'X: y')[where % 3]}\r\n\r\n".encode()))
                hello = {"type": "hello", "protocols": [1], "client": "c"}
                writer.write(masked(json.dumps(hello | {"token": token} if where % 3 == 2 else hello).encode()))
                await ended(reader)
        await turn_until(lambda: "refused" in caplog.text)
        assert rules.refusals.counts == {4101: 100}
    assert len([record for record in caplog.records if record.name == "front"]) <= 2
    assert token.rpartition(".")[2] not in caplog.text


@on_both_loops
async def test_clients_that_vanish_in_the_doorway() -> None:
    """Half-open or reset before the request is whole: nothing of them stays."""
    async with running() as front:
        for data in (b"", b"GET /ws HT", request()):
            async with stranger(front) as (reader, writer):
                writer.write(data)
                writer.write_eof()
                assert b"400" not in await ended(reader)
        await turn_until(lambda: not front.listener.server_state.connections)


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
        front.multiplexer.truth.document = {"x": "lorem ipsum " * 500}
        address = f"ws://127.0.0.1:{front.port}/ws"
        async with connect(address, compression="deflate", max_size=None, ping_interval=None) as ada:
            token = GATE.sign("ada", now=time.time(), lifetime=60)
            await ada.send(json.dumps({"type": "hello", "protocols": [1], "token": token, "client": "c"}))
            await ada.send(json.dumps({"type": "subscribe", "stores": [{"id": 1, "name": "a", "params": {}}]}))
            frames: list[Json] = [json.loads(await soon(ada.recv())) for _ in range(3)]
            assert [frame["type"] for frame in frames] == ["welcome", "subscribed", "snapshot"]
            assert frames[2]["document"] == front.multiplexer.truth.document
            await front.multiplexer.commit("a", padding=5_000)
            assert json.loads(await soon(ada.recv()))["to"] == 1


async def test_nobody_new_stays_with_a_front_that_leaves() -> None:
    """Health and plain requests are answered to the end; whoever would stay is sent elsewhere by a 503."""
    async with running() as front, front.client() as client:
        front.server.leave()
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{front.port}") as http:
            assert (await http.get("/readyz")).status_code == 503
            assert (await http.get("/healthz")).status_code == 200
            for answer in (await http.get("/ws"), await http.post("/events", json=[])):
                assert (answer.status_code, answer.headers["retry-after"]) == (503, "0")
        await client.say(type="ping")
        assert await client.hear() == {"type": "pong"}


def test_sockets_inherit_their_buffer() -> None:
    """What the system keeps for a client is bounded on the listening socket already."""
    with bound_port("127.0.0.1", 0, shared=True) as bound:
        bound.listen()
        with socket.create_connection(bound.getsockname()):
            accepted, _ = bound.accept()
            with accepted:
                assert accepted.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF) <= 2 * SEND_BUFFER
