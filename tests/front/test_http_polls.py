import asyncio
import json

import httpx
import pytest

from .running import Running, running, soon, turn_until
from .test_doorway import stranger
from .test_stream import hello, stores
from .wire import Json


async def poll(front: Running, *frames: Json) -> list[Json]:
    async with httpx.AsyncClient(base_url=front.http, timeout=20) as http:
        answer = await soon(http.post("/poll", json=frames))
    assert (answer.status_code, answer.headers["cache-control"]) == (200, "no-store"), answer.text
    said = answer.json()
    assert isinstance(said, list)
    return said


def action(number: int, name: str) -> Json:
    return {"type": "dispatch", "number": number, "name": name}


def kinds(frames: list[Json]) -> list[str]:
    return [frame["type"] for frame in frames]


async def gone(front: Running) -> None:
    """Wait until the hub knows nobody any more."""
    await turn_until(lambda: not front.server.hub._clients)


async def holding(front: Running) -> None:
    """Wait until somebody holds a store."""
    await turn_until(lambda: any(len(store.crowd) for store in front.server.hub._stores._stores.values()))


async def test_news_at_once() -> None:
    """Who has nothing gets all, and who is behind what is newer; nobody waits for what is there already."""
    async with running() as front:
        assert kinds(await poll(front, hello(), stores("a", "b"))) == ["welcome", *["subscribed", "snapshot"] * 2]
        async with front.client() as other:
            await other.subscribe(1, "a")
            await front.multiplexer.commit("a")
            await other.hear()
            frames = await poll(front, hello(), stores("a", epoch="e", version=0))
            assert kinds(frames) == ["welcome", "subscribed", "update"]
            assert (frames[1]["resumed"], frames[2]["to"]) == (True, 1)
        await gone(front)


async def test_waits_for_news() -> None:
    """Who is up to date is answered when a commit comes, with all of it."""
    async with running() as front:
        waiting = asyncio.create_task(poll(front, hello(), stores("a", "b", epoch="e", version=0)))
        await holding(front)
        await front.multiplexer.commit("a", "b")
        assert kinds(await soon(waiting)) == ["welcome", "subscribed", "subscribed", "commit", "update", "update"]


async def test_patience_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without news it is answered without any, after a while."""
    monkeypatch.setattr("front.http.polls.PATIENCE", 0.1)
    async with running() as front:
        assert kinds(await poll(front, hello(), stores("a", epoch="e", version=0))) == ["welcome", "subscribed"]


async def test_actions_and_their_stores() -> None:
    """Outcomes come with what they did to the stores that the client holds, and are waited for, all of them."""
    async with running() as front, front.client() as other:
        await other.subscribe(1, "a")
        frames = await poll(front, hello(), stores("a", epoch="e", version=0), action(1, "a"), action(2, "b"))
        assert sorted(kinds(frames)) == ["outcome", "outcome", "subscribed", "update", "welcome"]
        outcomes = [frame for frame in frames if frame["type"] == "outcome"]
        assert [(outcome["number"], outcome["stores"]) for outcome in outcomes] == [(1, {"a{}": 1}), (2, {})]
        assert kinds(await poll(front, hello(), action(3, "a"))) == ["welcome", "outcome"]
        assert kinds(await poll(front, hello())) == ["welcome"]


async def test_refused_stores_are_news() -> None:
    async with running() as front:
        front.multiplexer.truth.denied = "forbidden"
        assert kinds(await poll(front, hello(), stores("a"))) == ["welcome", "unsubscribed"]


async def test_given_up_half_way() -> None:
    """Who hangs up while he waits leaves nothing behind."""
    async with running() as front:
        async with stranger(front) as (_, writer):
            body = json.dumps([hello(), stores("a", epoch="e", version=0)]).encode()
            head = b"POST /poll HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
            writer.write(head % len(body) + body)
            await holding(front)
        await gone(front)


async def test_a_front_that_ends_answers() -> None:
    """Nobody waits for a front that is about to end."""
    async with running() as front:
        waiting = asyncio.create_task(poll(front, hello(), stores("a", epoch="e", version=0)))
        await holding(front)
        front.server.leave()
        assert kinds(await soon(waiting)) == ["welcome", "subscribed"]


async def test_bad_letters() -> None:
    """Whatever a WebSocket would be closed for is a problem that names the close code."""
    one = {"id": 1, "name": "a"}
    bad: list[tuple[bytes, int, str, int | None]] = [
        (b"{}", 400, "bad_request", 4001),
        (b"[]", 400, "bad_request", 4001),
        (b"[", 400, "bad_request", 4001),
        (json.dumps([hello(), hello()]).encode(), 400, "bad_request", 4001),
        (json.dumps([stores("a"), hello()]).encode(), 400, "bad_request", 4001),
        (json.dumps([hello(), {"type": "subscribe", "stores": [one, one]}]).encode(), 400, "bad_request", None),
        (json.dumps([hello(token=None)]).encode(), 401, "no_token", 4100),
        (json.dumps([hello(token="x.y.z")]).encode(), 401, "token_refused", 4101),
        (b'["\xff"]', 400, "bad_request", 1007),
        (b" " * 300_000, 413, "too_large", None),
    ]
    async with running() as front, httpx.AsyncClient(base_url=front.http) as http:
        for body, status, code, close in bad:
            answer = await soon(http.post("/poll", content=body, headers={"Content-Type": "application/json"}))
            assert (answer.status_code, answer.json()["code"]) == (status, code), body[:80]
            assert answer.json().get("close") == close
        assert (await soon(http.post("/poll", content=b"[]"))).status_code == 415
        assert not front.server.hub._clients
