import json
from typing import Any

import httpx
import pytest

from front.frames import MAX_FRAME

from .running import running, soon
from .test_http_stores import asking, bearer

KEY = {"Idempotency-Key": "0b5e7c0a-9d3f"}
JSON = {"Content-Type": "application/json"}


async def test_an_action_and_its_reply() -> None:
    """The body is the parameters, as they were written; the answer is the reply."""
    async with asking() as (front, http):
        answer = await soon(http.post("/actions/a", content=' {"x": 1.0} ', headers=KEY | JSON))
        assert (answer.status_code, answer.text) == (200, '{"x": 1.0}')
        assert answer.headers["cache-control"] == "no-store"
        (action,) = front.multiplexer.actions
        assert (action.actor, action.name, action.params, action.number) == ("ada", "a", '{"x": 1.0}', 1)
        assert not front.server.hub._clients


async def test_the_key_is_the_client() -> None:
    """The same key is the same client's same number, on any front; another key is another client."""
    async with asking() as (front, http):
        for key in ("k", "k", "l"):
            await soon(http.post("/actions/a", json={}, headers={"Idempotency-Key": key}))
        one, again, other = front.multiplexer.actions
        assert (one.client, one.number) == (again.client, again.number)
        assert other.client != one.client
        assert " " in one.client, "no WebSocket's client can be meant by it"


async def test_no_parameters() -> None:
    """Nothing at all stands for none."""
    async with asking() as (_, http):
        assert (await soon(http.post("/actions/a", headers=KEY | JSON))).json() == {}


async def test_a_lone_surrogate_is_the_databases_business() -> None:
    """It is refused like NUL, by a coded error, as in a frame."""
    async with asking() as (front, http):
        await soon(http.post("/actions/a", content=b'{"x":"\\ud83d"}', headers=KEY | JSON))
        assert front.multiplexer.actions[0].params == '{"x":"\\u0000"}'


BAD: list[tuple[bytes, dict[str, Any], int, str]] = [
    (b"{}", JSON, 400, "bad_request"),
    (b"{}", JSON | {"Idempotency-Key": "k" * 201}, 400, "bad_request"),
    (b"{}", JSON | {"Idempotency-Key": b"\xff\x85"}, 400, "bad_request"),
    (b"{}", KEY, 415, "not_json"),
    (b"{}", KEY | {"Content-Type": "text/plain"}, 415, "not_json"),
    (b"x=1", KEY | {"Content-Type": "application/x-www-form-urlencoded"}, 415, "not_json"),
    (b"[]", KEY | JSON, 400, "bad_request"),
    (b"{", KEY | JSON, 400, "bad_request"),
    (b'{},"number":7', KEY | JSON, 400, "bad_request"),
    (b"{} {}", KEY | JSON, 400, "bad_request"),
    (b'{"x":"\xff"}', KEY | JSON, 400, "bad_request"),
    (b'{"x":"\0"}', KEY | JSON, 400, "bad_request"),
    (b"[" * 10_000, KEY | JSON, 400, "bad_request"),
    (b'{"x":' * 10_000, KEY | JSON, 400, "bad_request"),
    (b" " * (MAX_FRAME + 1), KEY | JSON, 413, "too_large"),
]


async def test_bad_actions() -> None:
    """What is no action costs its sender a problem, and goes nowhere."""
    async with asking() as (front, http):
        for body, headers, status, code in BAD:
            answer = await soon(http.post("/actions/a", content=body, headers=headers))
            assert (answer.status_code, answer.json()["code"]) == (status, code), body[:40]
        assert not front.multiplexer.actions


async def test_refusals() -> None:
    """An action's own refusals are 422; the rest by the table of docs/http.md."""
    async with asking() as (front, http):
        for code, status in {"too_long": 422, "number_reused": 422, "constraint": 409, "unknown_action": 404}.items():
            front.multiplexer.truth.denied = code
            answer = await soon(http.post("/actions/a", json={}, headers=KEY))
            assert answer.status_code == status
            assert answer.json() | {"title": ""} == {
                "title": "",
                "status": status,
                "code": code,
                "detail": "No.",
                "constraint": "c",
            }


async def test_an_action_without_answer_is_sent_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """503 while nobody answers; the same key afterwards is the same action."""
    monkeypatch.setattr("front.http.visits.ANSWER_WITHIN", 0.05)
    async with running() as front, httpx.AsyncClient(base_url=front.http, headers=bearer() | KEY) as http:
        front.multiplexer.deaf = True
        assert (await soon(http.post("/actions/a", json={}))).status_code == 503
        front.multiplexer.deaf = False
        monkeypatch.setattr("front.http.visits.ANSWER_WITHIN", 10.0)
        answer = await soon(http.post("/actions/a", json={}))
        assert json.loads(answer.text) == {}
        assert len({action.client for action in front.multiplexer.actions}) == 1
