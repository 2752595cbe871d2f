"""``GET /events``, as a browser's EventSource asks: a cookie, an address, and what other sites may make of them."""

import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import quote

import httpx
import pytest

from front.origins import Origins
from front.rules import Rules

from .running import GATE, Running, running, soon
from .test_stream import Listener, stores
from .wire import Json

OURS = {"Sec-Fetch-Site": "same-origin"}
LISTED = "https://app.example.com"


def cookie(actor: str = "ada") -> dict[str, str]:
    return {"Cookie": f"other=1; session={GATE.sign(actor, now=time.time(), lifetime=60)}"}


def address(*frames: Json) -> str:
    return "/events?client=c&say=" + quote(json.dumps(frames))


def hello(**members: object) -> Json:
    return {"type": "hello", "protocols": [1], "client": "c", **members}


def rules(*, guests: bool = False, origins: tuple[str, ...] = (LISTED,)) -> Rules:
    return Rules(cookie="session", origins=Origins(origins), guests=guests)


async def answer(front: Running, path: str, headers: dict[str, str], method: str = "GET") -> httpx.Response:
    """The answer to a request that is refused, or ends by itself."""
    async with httpx.AsyncClient(base_url=front.http, timeout=20) as http:
        return await soon(http.request(method, path, headers=headers))


@asynccontextmanager
async def listening(front: Running, path: str, headers: dict[str, str]) -> AsyncIterator[Listener]:
    async with (
        httpx.AsyncClient(base_url=front.http, timeout=20) as http,
        http.stream("GET", path, headers=headers) as streamed,
    ):
        assert streamed.status_code == 200, await streamed.aread()
        yield Listener(streamed)


async def test_a_page_of_ours() -> None:
    """The cookie says who it is, and the address what he wants; what moves arrives."""
    async with (
        running(rules=rules()) as front,
        listening(front, address(hello(), stores("a")), cookie() | OURS) as listener,
    ):
        assert listener.answer.headers["content-type"] == "text/event-stream"
        assert listener.answer.headers["x-content-type-options"] == "nosniff"
        assert "access-control-allow-origin" not in listener.answer.headers
        frames = [await listener.hear() for _ in range(3)]
        assert [frame["type"] for frame in frames] == ["welcome", "subscribed", "snapshot"]
        assert frames[0]["actor"] == "ada"
        await front.multiplexer.commit("a")
        assert (await listener.hear())["to"] == 1


async def test_it_comes_back_where_it_was() -> None:
    """EventSource names the last event that it got: of one store what is newer follows, of several the whole."""
    async with running(rules=rules()) as front, front.client() as other:
        await other.subscribe(1, "a")
        await front.multiplexer.commit("a")
        assert (await other.hear())["to"] == 1
        back = cookie() | OURS | {"Last-Event-ID": "e.0"}
        async with listening(front, address(hello(), stores("a")), back) as listener:
            frames = [await listener.hear() for _ in range(3)]
            assert [frame["type"] for frame in frames] == ["welcome", "subscribed", "update"]
            assert frames[1]["resumed"]
        async with listening(front, address(hello(), stores("a", "b")), back) as listener:
            frames = [await listener.hear() for _ in range(5)]
            assert [frame["resumed"] for frame in frames if frame["type"] == "subscribed"] == [False, False]
        for rubbish in ("e", ".1", "e.x", "e." + "9" * 5000, "f.1"):
            broken = cookie() | OURS | {"Last-Event-ID": rubbish}
            async with listening(front, address(hello(), stores("a")), broken) as listener:
                frames = [await listener.hear() for _ in range(3)]
                assert frames[1]["resumed"] is False, rubbish[:10]
                assert frames[2]["type"] == "snapshot"


@pytest.mark.parametrize(
    ("headers", "status", "code"),
    [
        ({}, 401, "no_token"),
        ({"Sec-Fetch-Site": "cross-site"}, 401, "no_token"),
        ({"Sec-Fetch-Site": "same-site"}, 401, "no_token"),
        ({"Sec-Fetch-Site": "none"}, 401, "no_token"),
        ({"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"}, 403, "forbidden"),
        ({"Origin": "https://evil.example", "Sec-Fetch-Site": "same-origin"}, 403, "forbidden"),
        ({"Origin": "null"}, 403, "forbidden"),
    ],
    ids=str,
)
async def test_a_page_of_another_site(headers: dict[str, str], status: int, code: str) -> None:
    """Whatever it makes a browser ask, the visitor's cookie is not believed, and nobody comes in by it."""
    async with running(rules=rules()) as front:
        refused = await answer(front, address(hello(), stores("a")), cookie() | headers)
        assert (refused.status_code, refused.json()["code"]) == (status, code)
        assert not front.server.hub._clients
        assert not front.multiplexer.openings


async def test_a_page_that_is_listed() -> None:
    """It gets in with the cookie, and its browser shows it what it gets; also what it posts and reads."""
    page = {"Origin": LISTED, "Sec-Fetch-Site": "cross-site"}
    async with running(rules=rules()) as front:
        async with listening(front, address(hello(), stores("a")), cookie() | page) as listener:
            assert listener.answer.headers["access-control-allow-origin"] == LISTED
            assert listener.answer.headers["access-control-allow-credentials"] == "true"
            assert (await listener.hear())["actor"] == "ada"
        asks = page | {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "content-type"}
        for path in ("/events", "/poll", "/actions/x"):
            preflight = await answer(front, path, asks, "OPTIONS")
            assert (preflight.status_code, preflight.headers["access-control-allow-origin"]) == (200, LISTED)
            stranger = await answer(front, path, asks | {"Origin": "https://evil.example"}, "OPTIONS")
            assert stranger.status_code == 403
        read = await answer(front, "/stores/a", page)
        assert (read.status_code, read.headers["access-control-allow-origin"]) == (401, LISTED)
        other = await answer(front, "/stores/a", {"Origin": "https://evil.example"})
        assert "access-control-allow-origin" not in other.headers


async def test_polls_take_the_cookie_too() -> None:
    """Where streams do not come through either; a cookie alone lets no other site in."""
    async with running(rules=rules()) as front, httpx.AsyncClient(base_url=front.http, timeout=20) as http:
        for headers, status in ((OURS, 200), ({}, 401), ({"Sec-Fetch-Site": "cross-site"}, 401)):
            polled = await soon(http.post("/poll", json=[hello()], headers=cookie() | headers))
            assert polled.status_code == status
        assert polled.json()["code"] == "no_token"


@pytest.mark.parametrize(
    "path",
    [
        address(hello(token=GATE.sign("ada", now=time.time(), lifetime=60)), stores("a")),
        address(hello(), {"type": "refresh", "token": GATE.sign("ada", now=time.time(), lifetime=60)}),
        address(hello(), {"type": "dispatch", "number": 1, "name": "x"}),
        "/events",
        "/events?say=",
        "/events?say=%5B%5D&say=%5B%5D",
        "/events?say=%ff",
        "/events?say=%5B%7B%22type%22%3A%22nothing%22%7D%5D",
        "/events?say=" + "%5B" * 3000,
        "/events?say",
    ],
    ids=lambda path: path[:60],
)
async def test_what_no_address_says(path: str) -> None:
    """No token, since addresses are logged; no action, since a GET changes nothing; nothing that is no frame."""
    async with running(rules=rules()) as front:
        refused = await answer(front, path, cookie() | OURS)
        assert (refused.status_code, refused.json()["code"]) == (400, "bad_request")
        assert not front.multiplexer.actions


async def test_without_a_token() -> None:
    """Where guests may, nobody in particular reads what everybody may; he counts as no actor, and acts nowhere."""
    async with running(rules=rules(guests=True), guests=True) as front:
        async with listening(front, address(hello(), stores("a")), {}) as listener:
            frames = [await listener.hear() for _ in range(3)]
            assert (frames[0]["actor"], frames[2]["type"]) == ("", "snapshot")
        read = await answer(front, "/stores/a", {})
        assert read.status_code == 200
        assert {(asked.actor, asked.claims) for asked in front.multiplexer.openings} == {("", "{}")}
        for path in ("/actions/x", "/poll", "/events"):
            async with httpx.AsyncClient(base_url=front.http, timeout=20) as http:
                said = [hello()] if path != "/actions/x" else {}
                refused = await soon(http.post(path, json=said, headers={"Idempotency-Key": "k"}))
            assert (refused.status_code, refused.json()["code"]) == (401, "no_token")
        # A token that is none lets nobody in by the back door.
        assert (await answer(front, "/stores/a", {"Authorization": "Bearer x"})).status_code == 401
        front.multiplexer.truth.denied = "forbidden"
        assert (await answer(front, "/stores/secret", {})).status_code == 403
