import asyncio
import gzip
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest
from msgspec import Raw

from broker.messages import Commit, Update
from front.http.documents import Document, Documents, Down

from .running import GATE, Running, running, soon
from .truth import update_frame


def bearer(actor: str = "ada", *, lifetime: float = 60) -> dict[str, str]:
    return {"Authorization": f"Bearer {GATE.sign(actor, now=time.time(), lifetime=lifetime)}"}


@asynccontextmanager
async def asking() -> AsyncIterator[tuple[Running, httpx.AsyncClient]]:
    async with running() as front, httpx.AsyncClient(base_url=front.http, headers=bearer()) as http:
        yield front, http


async def test_a_document_follows_its_store() -> None:
    """The document is the snapshot with every update since, whoever else holds the store."""
    async with asking() as (front, http):
        front.multiplexer.truth.document = {"items": {"a": 1}}
        first = await soon(http.get("/stores/shelf", params={"shelf": "tea"}))
        assert (first.status_code, first.json()) == (200, {"items": {"a": 1}})
        assert first.headers["content-type"] == "application/json"
        assert (first.headers["fluxwire-epoch"], first.headers["fluxwire-version"]) == ("e", "0")
        key = 'shelf{"shelf":"tea"}'
        for version, patch in enumerate(
            [
                [{"op": "add", "path": "/items/b", "value": 2}],
                [{"op": "remove", "path": "/items/a"}, {"op": "replace", "path": "/items/b", "value": [3]}],
            ]
        ):
            frame = json.loads(update_frame(key, "e", version, version + 1)) | {"patch": patch}
            update = Update(key, "e", version, version + 1, json.dumps(frame).encode())
            await front.multiplexer.publish(Commit([update]))
        async with asyncio.timeout(20):
            while (answer := await http.get("/stores/shelf", params={"shelf": "tea"})).headers[
                "fluxwire-version"
            ] != "2":
                pass
        assert answer.json() == {"items": {"b": [3]}}


async def test_what_is_unchanged_is_not_sent_again() -> None:
    """The tag is the version: 304 while it stands, for every way of writing it."""
    async with asking() as (front, http):
        tag = (await soon(http.get("/stores/a"))).headers["etag"]
        for written in (tag, f'"x", {tag}'):
            again = await soon(http.get("/stores/a", headers={"If-None-Match": written}))
            assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag)
        await front.multiplexer.commit("a")
        async with asyncio.timeout(20):
            while (await http.get("/stores/a", headers={"If-None-Match": tag})).status_code == 304:
                pass


async def test_compressed_for_who_takes_it() -> None:
    """Gzip is a matter of what the client accepts."""
    async with asking() as (front, http):
        front.multiplexer.truth.document = {"x": "lorem ipsum " * 500}
        for accepted, encoding in (("gzip", "gzip"), ("br;q=1, gzip;q=0.5", "gzip"), ("gzip;q=0", None), ("", None)):
            async with http.stream("GET", "/stores/a", headers={"Accept-Encoding": accepted}) as answer:
                raw = b"".join([part async for part in answer.aiter_raw()])
            assert answer.headers.get("content-encoding") == encoding
            assert json.loads(gzip.decompress(raw) if encoding else raw) == front.multiplexer.truth.document
            assert "Accept-Encoding" in answer.headers["vary"]


async def test_who_may_keep_it() -> None:
    """What is for everybody may be kept by who asked and asked again about; what is private by nobody."""
    async with asking() as (front, http):
        assert (await soon(http.get("/stores/a"))).headers["cache-control"] == "private, no-cache"
        front.multiplexer.truth.shared = False
        assert (await soon(http.get("/stores/b"))).headers["cache-control"] == "no-store"


STRANGERS: list[tuple[dict[str, str], str]] = [
    ({}, "no_token"),
    ({"Authorization": "Basic YTpi"}, "no_token"),
    ({"Authorization": "Bearer"}, "no_token"),
    ({"Authorization": "Bearer x.y.z"}, "token_refused"),
    (bearer(lifetime=-60), "token_refused"),
]


@pytest.mark.parametrize(("method", "path"), [("GET", "/stores/a"), ("POST", "/actions/a")])
async def test_nobody_comes_in_without_token(method: str, path: str) -> None:
    """401, with a problem that names the code, and nothing to be kept."""
    async with running() as front, httpx.AsyncClient(base_url=front.http) as http:
        for headers, code in STRANGERS:
            answer = await soon(
                http.request(method, path, headers=headers, params={"token": bearer()["Authorization"][7:]})
            )
            assert (answer.status_code, answer.json()["code"]) == (401, code)
            assert answer.headers["content-type"] == "application/problem+json"
            assert answer.headers["www-authenticate"] == "Bearer"
            assert answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize("path", ["/stores/a?x=1&x=2", "/stores/%00"])
async def test_bad_questions(path: str) -> None:
    """What makes no sense is a problem of its sender."""
    async with asking() as (_, http):
        answer = await soon(http.get(path))
        assert (answer.status_code, answer.json()["code"]) == (400, "bad_request")


async def test_refusals_of_the_database() -> None:
    """The code of §6 stands in the problem, and leads to the status."""
    async with asking() as (front, http):
        for code, status in (("forbidden", 403), ("unknown_store", 404), ("invalid_argument", 400), ("failed", 500)):
            front.multiplexer.truth.denied = code
            answer = await soon(http.get(f"/stores/{code}"))
            assert (answer.status_code, answer.json()["code"]) == (status, code)
        assert not front.server.hub._clients


async def test_a_multiplexer_that_is_away(monkeypatch: pytest.MonkeyPatch) -> None:
    """503 with a time to come back, and nothing of the request stays."""
    monkeypatch.setattr("front.http.visits.ANSWER_WITHIN", 0.05)
    async with asking() as (front, http):
        front.multiplexer.deaf = True
        answer = await soon(http.get("/stores/a"))
        assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
        assert answer.headers["retry-after"] == "1"
        assert not front.server.hub._clients


def step(start: int, value: int) -> Down:
    patch = Raw(b'[{"op":"add","path":"/%d","value":%d}]' % (value, value))
    return Down("update", "s{}", "e", from_version=start, to_version=start + 1, patch=patch)


def test_documents_go_on_where_they_were() -> None:
    """A document is walked once: from the last one asked for, which is handed out again while it is the newest."""
    documents = Documents()
    snapshot = Down("snapshot", "s{}", "e", 1, document=Raw(b'{"0":0}'))
    first = documents.at(Down("subscribed", "s{}", "e", 2), [snapshot, step(1, 1)])
    assert json.loads(first.body) == {"0": 0, "1": 1}
    assert documents.at(Down("subscribed", "s{}", "e", 2), []) is first
    # Only what is new is applied: what is before it would overwrite.
    second = documents.at(Down("subscribed", "s{}", "e", 3), [snapshot, step(1, 7), step(2, 2)])
    assert json.loads(second.body) == {"0": 0, "1": 1, "2": 2}
    # Another epoch begins anew.
    fresh = Down("snapshot", "s{}", "f", 1, document=Raw(b"{}"))
    assert documents.at(Down("subscribed", "s{}", "f", 1), [fresh]) == Document("f", 1, b"{}")


def test_documents_have_bounded_room(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was asked for longest ago goes first."""
    monkeypatch.setattr("front.http.documents.ROOM", 40)
    documents = Documents()
    for name in "abac":
        snapshot = Down("snapshot", name, "e", 1, document=Raw(b'{"x":"0123456789"}'))
        documents.at(Down("subscribed", name, "e", 1), [snapshot])
    assert list(documents._kept) == ["a", "c"]
