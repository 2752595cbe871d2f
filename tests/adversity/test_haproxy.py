"""Three fronts behind Debian's HAProxy, with the configuration that is shipped."""

import asyncio
import json
import re
import signal
import ssl
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import asyncpg
import httpx
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from fluxwire.chaos import balancer
from fluxwire.chaos.chains import Chains
from fluxwire.chaos.load import Witness
from fluxwire.check import digest
from fluxwire.client import frames
from fluxwire.stack.process import wait_until
from front.connection import HEARTBEAT
from tests.deployment import HOST, Deployment, deployment
from tests.services import START_LIMIT, Cluster

CLIENTS = 1_000
FRONTS = ("front-1", "front-2", "front-3")
POSTS = 6
"""Messages that are written while its clients are on their way."""
MOST = 4
"""Connections that a front lets one address have."""


@pytest.fixture(scope="module")
def cluster(postgres18: Cluster, valkey: str) -> Iterator[Deployment]:
    settings = {
        "FLUXWIRE_METRICS": "1",
        "FLUXWIRE_TRUSTED_PROXIES": HOST,
        "FLUXWIRE_ADDRESS_CONNECTIONS": str(MOST),
        "FLUXWIRE_ACTOR_CONNECTIONS": "0",
        "FLUXWIRE_DRAIN_RATE": "20",
        "FLUXWIRE_NOTICE_SECONDS": "1",
    }
    with (
        postgres18.database(deployed=True) as database,
        deployment(database, valkey, "test-haproxy", settings) as made,
    ):
        made.start("multiplexer", "multiplexer")
        made.start_fronts(*FRONTS)
        yield made


@pytest.fixture(scope="module")
def plain(cluster: Deployment) -> int:
    """The port of an HAProxy without anything special."""
    return cluster.start_haproxy()


@pytest.fixture(scope="module")
def certificate(cluster: Deployment) -> Path:
    """A certificate for this machine, with its key."""
    x509 = pytest.importorskip("cryptography.x509")
    hashes = pytest.importorskip("cryptography.hazmat.primitives.hashes")
    serialization = pytest.importorskip("cryptography.hazmat.primitives.serialization")
    ec = pytest.importorskip("cryptography.hazmat.primitives.asymmetric.ec")
    key, today = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(today - timedelta(days=1))
        .not_valid_after(today + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    file = cluster.folder / "certificate.pem"
    pem = serialization.Encoding.PEM
    file.write_bytes(
        signed.public_bytes(pem)
        + key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return file


@asynccontextmanager
async def admitted(
    cluster: Deployment, port: int, *, path: str = "/ws", **headers: str
) -> AsyncIterator[ClientConnection]:
    """A WebSocket that has said hello."""
    async with connect(f"ws://{HOST}:{port}{path}", additional_headers=headers, compression=None, proxy=None) as socket:
        await socket.send(json.dumps({"type": "hello", "protocols": [1], "client": "x", "token": cluster.sign("ada")}))
        assert json.loads(await socket.recv())["type"] == "welcome"
        yield socket


def connections(cluster: Deployment) -> dict[str, int]:
    return {front: int(cluster.metric(front, "connections")) for front in cluster.fronts}


def cookie_of(socket: ClientConnection) -> str:
    """The cookie that says where it was sent to."""
    assert socket.response is not None
    return socket.response.headers["Set-Cookie"].partition(";")[0]


async def test_a_cookie_leads_back_to_its_front(cluster: Deployment, plain: int) -> None:
    """Newcomers are spread evenly; whoever brings the cookie is with its front again."""
    before = connections(cluster)
    async with AsyncExitStack() as stack:
        newcomers = [await stack.enter_async_context(admitted(cluster, plain)) for _ in range(9)]
        cookies = Counter(cookie_of(socket) for socket in newcomers)
        assert set(cookies) == {f"fluxwire_front={front}" for front in FRONTS}
        assert connections(cluster) == {front: before[front] + cookies[f"fluxwire_front={front}"] for front in FRONTS}
        for _ in range(6):
            back = await stack.enter_async_context(admitted(cluster, plain, Cookie="fluxwire_front=front-2"))
            assert back.response is not None
            assert "Set-Cookie" not in back.response.headers
        assert connections(cluster)["front-2"] == before["front-2"] + cookies["fluxwire_front=front-2"] + 6


async def test_a_hash_leads_a_client_to_its_front(cluster: Deployment) -> None:
    """By the client's id in the address, without any cookie: one client has one front, many have all of them."""
    port = cluster.start_haproxy(FLUXWIRE_HAPROXY_STICKY="hash")
    async with AsyncExitStack() as stack:
        before = connections(cluster)
        for _ in range(5):
            socket = await stack.enter_async_context(admitted(cluster, port, path="/ws?client=0b5e7c0a"))
            assert socket.response is not None
            assert "Set-Cookie" not in socket.response.headers
        gained = [count - before[front] for front, count in connections(cluster).items()]
        assert sorted(gained) == [0, 0, 5]
        for number in range(24):
            await stack.enter_async_context(admitted(cluster, port, path=f"/ws?client={number}"))
        assert all(count > before[front] for front, count in connections(cluster).items())


async def test_streams_and_polls(cluster: Deployment, plain: int) -> None:
    """Events come through as they are written, and a poll is held until there is news."""
    hello = {"type": "hello", "protocols": [1], "client": "poller", "token": cluster.sign("eve")}
    subscribe = {"type": "subscribe", "stores": [{"id": 1, "name": "rooms"}]}
    async with (
        httpx.AsyncClient(base_url=f"http://{HOST}:{plain}", timeout=START_LIMIT, trust_env=False) as http,
        http.stream("POST", "/events", json=[hello, subscribe]) as events,
    ):
        lines = (line async for line in events.aiter_lines() if line.startswith("data:"))
        kinds = [json.loads((await anext(lines)).removeprefix("data:"))["type"] for _ in range(3)]
        assert kinds == ["welcome", "subscribed", "snapshot"]
        action = {"type": "dispatch", "number": 1, "name": "create_room", "params": {"room": "polled"}}
        frames = (await http.post("/poll", json=[hello, action])).json()
        assert [frame["type"] for frame in frames] == ["welcome", "outcome"]
        assert json.loads((await anext(lines)).removeprefix("data:"))["type"] == "update"


async def test_what_is_not_for_clients(cluster: Deployment, plain: int) -> None:
    """Metrics stay inside, whoever asks."""
    async with httpx.AsyncClient(base_url=f"http://{HOST}:{plain}", trust_env=False) as http:
        assert (await http.get("/metrics")).status_code == 404
        assert (await http.get("/healthz")).status_code == 200


async def test_tls(cluster: Deployment, certificate: Path) -> None:
    """Pages may have HTTP/2, whose settings do not offer WebSockets; these come over HTTP/1.1."""
    port = cluster.start_haproxy(FLUXWIRE_HAPROXY_CERTIFICATE=str(certificate))
    trusted = ssl.create_default_context(cafile=str(certificate))
    async with (
        connect(f"wss://localhost:{port}/ws", ssl=trusted, proxy=None, host=HOST) as socket,
        httpx.AsyncClient(verify=trusted, trust_env=False) as http,
    ):
        await socket.send(json.dumps({"type": "hello", "protocols": [1], "client": "x", "token": cluster.sign("ada")}))
        assert json.loads(await socket.recv())["type"] == "welcome"
        page = await http.get(f"https://localhost:{port}/healthz")
        assert (page.status_code, "max-age" in page.headers["strict-transport-security"]) == (200, True)
        assert "secure" in page.headers["set-cookie"].lower().split("; ")
    trusted.set_alpn_protocols(["h2", "http/1.1"])
    reader, writer = await asyncio.open_connection(HOST, port, ssl=trusted, server_hostname="localhost")
    assert writer.get_extra_info("ssl_object").selected_alpn_protocol() == "h2"
    writer.write(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(3) + b"\x04" + bytes(5))
    head = await reader.readexactly(9)
    assert head[3] == 4, "its settings come first (RFC 9113 §3.4)"
    offered = await reader.readexactly(int.from_bytes(head[:3], "big"))
    enable_connect = 8  # RFC 8441 §3
    assert enable_connect not in {int.from_bytes(offered[at : at + 2], "big") for at in range(0, len(offered), 6)}
    writer.close()


async def announced(port: int, address: str | None, forwarded: str = "", path: str = "/healthz") -> bytes:
    """The first line of the answer to a request that a balancer before HAProxy passes on for this address."""
    reader, writer = await asyncio.open_connection(HOST, port)
    if address is not None:
        writer.write(f"PROXY TCP4 {address} {HOST} 4000 {port}\r\n".encode())
    writer.write(
        f"GET {path} HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: {forwarded}\r\nConnection: close\r\n\r\n".encode()
    )
    try:
        return (await reader.read()).partition(b"\r\n")[0]
    except ConnectionError:
        return b""
    finally:
        writer.close()


async def test_who_says_whose_connection_it_is(cluster: Deployment) -> None:
    """A balancer that is named has to say it, in the PROXY protocol; no client is believed."""
    port = cluster.start_haproxy(FLUXWIRE_HAPROXY_BEHIND=f"192.0.2.1 {HOST}", FLUXWIRE_HAPROXY_ADDRESS_RATE="40")
    assert await announced(port, None) == b"", "it has to say it"
    async with AsyncExitStack() as stack:
        # Each front lets the address have so many, whoever it claims to be.
        for turn in range(MOST * len(FRONTS)):
            reader, writer = await asyncio.open_connection(HOST, port)
            stack.callback(writer.close)
            writer.write(f"PROXY TCP4 203.0.113.7 {HOST} 4000 {port}\r\n".encode())
            writer.write(f"GET /ws HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: 198.51.100.{turn}\r\n".encode())
            writer.write(b"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n")
            writer.write(b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
            assert b" 101 " in await reader.readline()
        assert b" 429 " in await announced(port, "203.0.113.7", forwarded="198.51.100.99")
        assert b" 200 " in await announced(port, "203.0.113.8", forwarded="203.0.113.7")
    lines = [await announced(port, "203.0.113.9") for _ in range(42)]
    assert b" 200 " in lines[0]
    assert b" 429 " in lines[-1], "too many connections in ten seconds"


async def test_a_front_that_leaves(cluster: Deployment, plain: int) -> None:
    """Newcomers are served until HAProxy knows, and then go elsewhere, with its cookie too; its clients go by 4200."""
    async with AsyncExitStack() as stack:
        staying, going = [
            [await stack.enter_async_context(admitted(cluster, plain, Cookie=f"fluxwire_front={front}")) for _ in "ab"]
            for front in ("front-1", "front-2")
        ]
        # So many that it takes longer than HAProxy needs to take a front for dead.
        crowd = [
            await stack.enter_async_context(admitted(cluster, plain, Cookie="fluxwire_front=front-2"))
            for _ in range(60)
        ]
        cluster.signal("front-2", signal.SIGTERM)
        newcomers: list[str] = []
        while len(newcomers) < 5:
            async with admitted(cluster, plain, Cookie="fluxwire_front=front-2") as newcomer:
                # It says nothing to who is where its cookie leads.
                if newcomer.response is not None and "set-cookie" in newcomer.response.headers:
                    newcomers.append(cookie_of(newcomer))
        assert "fluxwire_front=front-2" not in newcomers
        codes = Counter([await closed(socket) for socket in (*going, *crowd)])
        assert codes == {4200: len(going) + len(crowd)}
        assert cluster.ended("front-2") == 0
        for socket in staying:
            await socket.send('{"type": "ping"}')
            assert json.loads(await socket.recv()) == {"type": "pong"}
    cluster.start_fronts("front-2")


async def closed(socket: ClientConnection) -> int | None:
    """Wait until it is closed; with which code."""
    try:
        async with asyncio.timeout(START_LIMIT):
            while True:
                await socket.recv()
    except ConnectionClosed:
        return socket.close_code


async def test_a_front_that_hangs(cluster: Deployment, plain: int) -> None:
    """Its clients are cut, and do not wait for it; with its cookie they come to others."""
    async with admitted(cluster, plain, Cookie="fluxwire_front=front-3") as socket:
        cluster.signal("front-3", signal.SIGSTOP)
        try:
            assert await closed(socket) == 1006
            async with admitted(cluster, plain, Cookie="fluxwire_front=front-3") as again:
                assert cookie_of(again) != "fluxwire_front=front-3"
        finally:
            cluster.signal("front-3", signal.SIGCONT)
    port = cluster.fronts["front-3"]
    assert wait_until(lambda: cluster.metric("front-3", "connections") == 0, START_LIMIT), port


class Returning(Witness):
    """Tells how its subscriptions were answered."""

    def __init__(self, url: str, token: str, chains: Chains) -> None:
        super().__init__([url], token, chains)
        self.resumed: list[bool] = []

    def _hear(self, message: str | bytes) -> None:
        frame = frames.parse(message)
        if isinstance(frame, frames.Subscribed):
            self.resumed.append(frame.resumed)
        super()._hear(message)


@pytest.mark.timeout(180)
async def test_a_front_dies_under_a_thousand_clients(cluster: Deployment, plain: int) -> None:
    """All of its clients resume on the other fronts, with what was committed meanwhile; nothing is lost or doubled."""
    breaks: list[str] = []
    url = f"ws://{HOST}:{plain}/ws"
    async with Witness([url], cluster.sign("host"), Chains("host", breaks.append)) as host:
        await host.dispatch("create_room", {"room": "crowd"})
        await host.dispatch("join_room", {"room": "crowd"})
        posts = [host.dispatch("post_message", {"room": "crowd", "body": "before"})]
        clients = [
            Returning(url, cluster.sign(f"actor-{number % 50}"), Chains(str(number), breaks.append))
            for number in range(CLIENTS)
        ]
        held = [client.subscribe("room", {"room": "crowd"}) for client in clients]
        for client in clients:
            await client.connect()
        async with asyncio.timeout(60):
            await asyncio.gather(*(subscription.ready() for subscription in held), *posts)
        struck = connections(cluster)["front-1"]
        assert struck > CLIENTS / 10
        cluster.signal("front-1", signal.SIGKILL)
        assert cluster.ended("front-1") == -signal.SIGKILL
        for number in range(POSTS):
            posts.append(host.dispatch("post_message", {"room": "crowd", "body": str(number)}))
            await posts[-1]
        async with asyncio.timeout(60):
            last = await version_of(cluster, "crowd")
            for subscription in held:
                while subscription.version < last:
                    await subscription.changed(subscription.version)
    returned = [client for client in clients if client.connects > 1]
    assert len(returned) in range(struck - 2, struck + 3), "the host may be among them"
    assert all(client.resumed == [False, True] for client in returned)
    assert len({digest(subscription.document) for subscription in held}) == 1
    bodies = sorted(message["body"] for message in held[0].document["messages"].values())
    assert bodies == sorted(["before", *map(str, range(POSTS))])
    assert breaks == []
    await asyncio.gather(*(client.close() for client in clients))
    cluster.start_fronts("front-1")


async def version_of(cluster: Deployment, room: str) -> int:
    connection = await asyncpg.connect(cluster.environment["DATABASE_URL"])
    try:
        found = await connection.fetchval(
            "select e.base + v.version from flux.epoch e, flux.version v where v.key like 'room{%' || $1 || '%'", room
        )
        assert isinstance(found, int)
        return found
    finally:
        await connection.close()


def test_time_outs_do_not_cut_who_is_silent() -> None:
    """HAProxy waits longer than a front lets anybody be silent (docs/protocol.md §2)."""
    configuration = balancer.CONFIGURATION.read_text(encoding="utf-8")
    limits = dict(re.findall(r"^  timeout (client|server|tunnel) +(\d+)s$", configuration, re.MULTILINE))
    assert set(limits) == {"client", "server", "tunnel"}
    assert all(int(limit) > 2 * HEARTBEAT for limit in limits.values())
