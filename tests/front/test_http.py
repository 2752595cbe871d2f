import json
import socket
from pathlib import Path

import httpx
import pytest

from front.http import GUEST_BODY
from front.listener import bound_port

from .running import GATE, running, soon


async def test_health_and_readiness() -> None:
    """The process is up at once; it is ready when a multiplexer has answered."""
    async with running() as front, httpx.AsyncClient(base_url=front.http) as http:
        assert (await http.get("/healthz")).status_code == 200
        while (await http.get("/readyz")).status_code == 503:
            await soon(http.get("/healthz"))
        assert front.multiplexer.renewals >= 1


async def test_a_front_without_multiplexer_is_not_ready(monkeypatch: pytest.MonkeyPatch) -> None:
    """/readyz says 503 while nobody answers."""
    monkeypatch.setattr("front.hub.FRESH", -1.0)
    async with running() as front, httpx.AsyncClient(base_url=front.http) as http:
        assert (await http.get("/readyz")).status_code == 503


async def test_guests_get_tokens() -> None:
    """A guest's token lets in under the name that was given, spaces tidied."""
    async with running(guests=True) as front, httpx.AsyncClient(base_url=front.http) as http:
        answer = await http.post("/guest", json={"name": "  Ada  King é "})
        assert answer.status_code == 200
        assert GATE.verify(answer.json()["token"]).actor == "Ada King é"


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"{}", 400),
        (b"[]", 400),
        (b'{"name":7}', 400),
        (b'{"name":""}', 400),
        (b'{"name":"  "}', 400),
        (b'{"name":"a\\u0000b"}', 400),
        (b'{"name":"\\u202e"}', 400),
        (json.dumps({"name": "x" * 65}).encode(), 400),
        (b'{"name":"\xff"}', 400),
        (b"[" * 1000, 400),
        (b" " * (GUEST_BODY + 1), 413),
    ],
    ids=str,
)
async def test_bad_guests(body: bytes, status: int) -> None:
    """What is no name gets no token, and no traceback."""
    async with running(guests=True) as front, httpx.AsyncClient(base_url=front.http) as http:
        assert (await http.post("/guest", content=body)).status_code == status


async def test_guests_are_off_by_default() -> None:
    """Nobody gets a token unless the setting says so."""
    async with running() as front, httpx.AsyncClient(base_url=front.http) as http:
        assert (await http.post("/guest", json={"name": "ada"})).status_code == 404


async def test_the_web_client_is_served(tmp_path: Path) -> None:
    """The folder is served with its index, and nothing outside of it."""
    web = tmp_path / "web"
    web.mkdir()
    (web / "index.html").write_text("<p>hello")
    (web / "app.js").write_text("1")
    (tmp_path / "secret").write_text("x")
    async with running(web=web) as front, httpx.AsyncClient(base_url=front.http) as http:
        assert (await http.get("/")).text == "<p>hello"
        assert (await http.get("/app.js")).headers["content-type"].startswith("text/javascript")
        assert (await http.get("/%2e%2e/secret")).status_code == 404
        assert (await http.get("/healthz")).status_code == 200


async def test_one_port_for_both() -> None:
    """uvicorn hands an upgrade to us and goes on serving HTTP: the contract that the listener relies on."""
    async with running() as front, httpx.AsyncClient(base_url=front.http) as http, front.client() as client:
        await client.say(type="ping")
        assert await client.hear() == {"type": "pong"}
        assert (await http.get("/healthz")).status_code == 200
        upgrade = {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13"}
        assert (await http.get("/ws", headers=upgrade)).status_code == 400
        key = {"Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ=="}
        assert (await http.get("/elsewhere", headers=upgrade | key)).status_code == 404
        assert (await http.get("/ws")).status_code == 426


def test_several_fronts_share_a_port() -> None:
    """A second front of the machine may bind the port of the first; anybody else may not."""
    with bound_port("127.0.0.1", 0, shared=True) as first:
        port = first.getsockname()[1]
        first.listen()
        with bound_port("127.0.0.1", port, shared=True) as second:
            second.listen()
        with pytest.raises(OSError, match="in use"):
            bound_port("127.0.0.1", port, shared=False)
        with socket.socket() as other, pytest.raises(OSError, match="in use"):
            other.bind(("127.0.0.1", port))
