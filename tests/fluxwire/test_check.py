"""A check finds what is not as it should be, and says so."""

import asyncio
import hashlib
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from fluxwire import check, trace
from fluxwire.check import Findings
from fluxwire.plays import Play
from fluxwire.trace import Event

from .scripted import DEADLINE, Peer, front


@pytest.mark.parametrize(
    ("one", "other"),
    [({"a": 1, "b": 2}, {"b": 2, "a": 1}), ([1.0, 1e2, -0.0], [1, 100, 0]), ("é", "\u00e9"), ({}, {})],
)
def test_same(one: object, other: object) -> None:
    """Documents that are equal as JSON have one digest."""
    assert check.digest(one) == check.digest(other)


@pytest.mark.parametrize(("one", "other"), [({"a": 1}, {"a": 2}), ([1, 2], [2, 1]), ("1", 1), (None, {}), (True, 1)])
def test_different(one: object, other: object) -> None:
    """Documents that differ have different digests."""
    assert check.digest(one) != check.digest(other)


def write(path: Path, *events: Event) -> Play:
    path.write_text("".join(trace.line(event) + "\n" for event in events), encoding="utf-8")
    return Play(str(path), None)


def message(user: str, body: str) -> Event:
    return Event(room="r", t=0, kind="message", user=user, body=body)


def digest(*bodies: str) -> str:
    return hashlib.sha256(b"".join(hashlib.sha256(body.encode()).digest() for body in bodies)).hexdigest()


def test_expected(tmp_path: Path) -> None:
    """Messages are counted over all plays, by room and author, in order, if the chat accepts them."""
    one = write(
        tmp_path / "one",
        message("ada", "1"),
        message("bob", "2"),
        Event(room="r", t=0, kind="join", user="carl"),
        message("ada", "é"),
        message("ada", "x" * 4001),
        message("", ""),
    )
    two = write(tmp_path / "two", message("ada", "3"), message("ada", "not played"))
    assert check.expected([one, Play(two.trace, 1)]) == {
        ("r", "ada"): (3, digest("1", "é", "3")),
        ("r", "bob"): (1, digest("2")),
        ("r", "-"): (1, digest("")),
    }


def test_summary() -> None:
    """The summary begins with the first differences and ends with their number."""
    lines = Findings(stores=2, differences=[f"difference {number}" for number in range(25)]).summary().splitlines()
    assert lines[0] == "difference 0"
    assert lines[19:21] == ["difference 19", "... and 5 more"]
    assert lines[-1] == "25 differences"
    assert Findings().summary().splitlines()[-1] == "0 differences"


def serving(url: str, spoil: Callable[[dict[str, Any]], None]) -> Callable[[Peer], Awaitable[None]]:
    """A front that serves what the database renders, spoilt."""

    async def script(peer: Peer) -> None:
        await peer.welcome()
        connection = await asyncpg.connect(url)
        async for text in peer.socket:
            for store in json.loads(text).get("stores", []):
                key = store["name"] + json.dumps(store["params"])
                row = await connection.fetchrow("select epoch, version, document from flux.render($1)", key)
                assert row is not None
                where = {"store": key, "epoch": row["epoch"], "version": row["version"], "document": None}
                where["document"] = json.loads(row["document"])
                spoil(where)
                document = where.pop("document")
                await peer.say("subscribed", id=store["id"], resumed=False, **where)
                await peer.say("snapshot", document=document, **where)
        await connection.close()

    return script


def alter(frame: dict[str, Any]) -> None:
    if frame["store"].startswith("room{"):
        frame["document"]["room"]["title"] = "another"


def hold_back(frame: dict[str, Any]) -> None:
    if frame["store"].startswith("rooms{"):
        frame["version"] -= 1


@pytest.mark.parametrize(
    ("spoil", "differences"),
    [
        (lambda _: None, []),
        (alter, ['room{"room": "lobby"}: version 1 is not what the database renders']),
        (hold_back, ["rooms{}: after 0 s at version 0 of epoch "]),
    ],
)
async def test_stores(
    database18: str, monkeypatch: pytest.MonkeyPatch, spoil: Callable[[dict[str, Any]], None], differences: list[str]
) -> None:
    """A front that serves another document than the database renders, or an old one, is found out."""
    monkeypatch.setattr(check, "PATIENCE", 0.4 if spoil is hold_back else DEADLINE)
    connection = await asyncpg.connect(database18)
    await connection.execute("insert into chat.room values ('lobby', 'Lobby', 'ada', now())")
    await connection.close()
    async with front(serving(database18, spoil)) as url, asyncio.timeout(DEADLINE * 2):
        findings = await check.check(url, "token", database18, list)
    assert (findings.stores, len(findings.differences)) == (2, len(differences))
    assert all(found.startswith(wanted) for found, wanted in zip(findings.differences, differences, strict=True))


async def test_not_let_in(database18: str) -> None:
    """A front that sends the checker away is a difference, and no check that passed."""

    async def away(peer: Peer) -> None:
        await peer.socket.close(4101, "who?")

    async with front(away) as url, asyncio.timeout(DEADLINE):
        findings = await check.check(url, "token", database18, list)
    assert findings.differences == ["no front lets us in: Stopped 4101 who?"]
