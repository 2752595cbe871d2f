"""A play asks the front for what the trace says, in order, and tells what came of it."""

import argparse
import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from fluxwire import play, plays, trace
from fluxwire.client import Stopped
from fluxwire.play import Score, Stage
from fluxwire.plays import Play
from fluxwire.trace import Event

from .scripted import DEADLINE, Peer, front

KEY = "a secret of thirty-two characters"


class Chat:
    """A front that says yes to all, or no to some, and notes who asked for what."""

    def __init__(self, *refused: str) -> None:
        self.refused = refused
        self.asked: list[list[tuple[str, dict[str, Any]]]] = []
        self.stores: list[dict[str, Any]] = []
        self.open = 0
        self.most_open = 0

    async def __call__(self, peer: Peer) -> None:
        await peer.welcome()
        asked: list[tuple[str, dict[str, Any]]] = []
        self.asked.append(asked)
        self.open += 1
        self.most_open = max(self.most_open, self.open)
        async for text in peer.socket:
            frame = json.loads(text)
            if frame["type"] == "subscribe":
                self.stores += frame["stores"]
                continue
            asked.append((frame["name"], frame["params"]))
            if frame["name"] in self.refused:
                error = {"code": "no", "message": "no"}
                await peer.say("outcome", number=frame["number"], status="refused", error=error, stores={})
            else:
                await peer.outcome(frame["number"])
        self.open -= 1


async def perform(chat: Chat, *events: Event, speed: float | None = None, rooms_at_once: int = 4) -> Score:
    async with front(chat) as url, asyncio.timeout(DEADLINE):
        return await Stage(url, KEY, speed=speed, rooms_at_once=rooms_at_once).play(events)


def message(user: str, body: str, room: str = "r", t: float = 0.0) -> Event:
    return Event(room=room, t=t, kind="message", user=user, body=body)


def event(kind: trace.Kind, user: str, to: str = "") -> Event:
    return Event(room="r", t=0.0, kind=kind, user=user, to=to)


async def test_actions() -> None:
    """Each event leads to the actions that docs/trace.md lists, each user's in order on one connection."""
    chat = Chat()
    score = await perform(
        chat,
        message("ada", "one"),
        event("join", "bob"),
        message("bob", "two"),
        event("nick", "ada", to="lovelace"),
        message("lovelace", ""),
        event("part", "bob"),
        message("bob", "three"),
        event("part", "carl"),
    )
    assert chat.asked[0] == [("create_room", {"room": "r", "title": "r"})]
    assert sorted(chat.asked[1:], key=repr) == [
        [
            ("join_room", {"room": "r", "name": "ada"}),
            ("post_message", {"room": "r", "body": "one"}),
            ("rename_member", {"room": "r", "name": "lovelace"}),
        ],
        [
            ("join_room", {"room": "r", "name": "bob"}),
            ("post_message", {"room": "r", "body": "two"}),
            ("leave_room", {"room": "r"}),
            ("join_room", {"room": "r", "name": "bob"}),
            ("post_message", {"room": "r", "body": "three"}),
        ],
        [("join_room", {"room": "r", "name": "carl"}), ("leave_room", {"room": "r"})],
        [("join_room", {"room": "r", "name": "lovelace"}), ("post_message", {"room": "r", "body": ""})],
    ]
    assert [store["params"] for store in chat.stores] == [{"room": "r"}] * 4
    assert (score.events, score.actions, score.refused.total(), score.connections) == (8, 13, 0, 5)
    assert len(score.latencies) == 13
    assert (score.reconnects, chat.open) == (0, 0)


async def test_refusals_are_counted() -> None:
    """Refused actions are counted by code and stop nothing."""
    score = await perform(Chat("post_message", "create_room"), message("ada", "one"), message("ada", "two"))
    assert score.actions == 4
    assert score.refused == {"no": 3}
    assert "refused         3 (no 3)" in score.summary()


async def test_rooms_at_once() -> None:
    """No more rooms are played at once than was asked for, and the connections of a room are closed with it."""
    chat = Chat()
    events = [message(user, "hi", room=f"r{number}") for number in range(6) for user in ("ada", "bob")]
    score = await perform(chat, *events, rooms_at_once=1)
    assert score.actions == 6 * 5
    assert chat.most_open <= 3


async def test_speed() -> None:
    """At a given speed events wait for their time."""
    score = await perform(Chat(), message("ada", "one", t=100), message("ada", "two", t=160), speed=200)
    assert 0.3 <= score.seconds < DEADLINE


async def test_sent_away() -> None:
    """A front that does not want the actor ends the play."""

    async def away(peer: Peer) -> None:
        await peer.socket.close(4101, "who?")

    async with front(away) as url, asyncio.timeout(DEADLINE):
        with pytest.raises(ExceptionGroup) as group:
            await Stage(url, KEY, speed=None, rooms_at_once=4).play([message("ada", "one"), message("bob", "two")])
    assert group.group_contains(Stopped, match="4101")


async def test_comes_back() -> None:
    """A connection that is lost in the middle is counted, and its actions are sent again."""
    chat = Chat()

    async def dies(peer: Peer) -> None:
        await peer.welcome()
        while (await peer.hear())["type"] != "dispatch":
            pass
        peer.socket.transport.abort()

    async with front(chat, dies, chat) as url, asyncio.timeout(DEADLINE):
        score = await Stage(url, KEY, speed=None, rooms_at_once=1).play([message("ada", "one")])
    assert (score.actions, score.reconnects) == (3, 1)
    assert [name for name, _ in chat.asked[-1]] == ["join_room", "post_message"]


def test_by_room() -> None:
    """Rooms that are mixed in a trace are taken apart, each in its order."""
    mixed = [message("a", "1", "x"), message("a", "2", "y"), message("a", "3", "x")]
    assert [event.body for event in play.by_room(mixed)] == ["1", "3", "2"]


@pytest.mark.parametrize(
    ("values", "share", "expected"),
    [([], 0.5, 0.0), ([3.0], 0.99, 3.0), ([1.0, 2.0, 3.0, 4.0], 0.5, 2.0), ([1.0, 2.0, 3.0, 4.0], 0.99, 4.0)],
)
def test_quantile(values: list[float], share: float, expected: float) -> None:
    """A quantile is one of the values."""
    assert play.quantile(values, share) == expected


@pytest.mark.parametrize(("name", "expected"), [("ada", "ada"), ("", "-"), ("a\0", "a\ufffd"), ("x" * 99, "x" * 80)])
def test_member_name(name: str, expected: str) -> None:
    """A member's name is one the chat takes."""
    assert play.member_name(name) == expected


@pytest.mark.parametrize(("text", "speed"), [("max", None), ("60", 60.0), ("0.5", 0.5)])
def test_arguments(text: str, speed: float | None) -> None:
    """A speed is a number or max."""
    parser = argparse.ArgumentParser()
    play.add_arguments(parser)
    args = parser.parse_args(["t.ndjson", "--speed", text, "--limit", "5"])
    assert (args.trace, args.speed, args.limit, args.rooms_at_once) == (Path("t.ndjson"), speed, 5, 4)


@pytest.mark.parametrize(
    "words",
    [
        ["--speed", "0"],
        ["--speed", "-1"],
        ["--speed", "inf"],
        ["--speed", "nan"],
        ["--speed", "fast"],
        ["--limit", "0"],
        ["--rooms-at-once", "0"],
    ],
)
def test_bad_arguments(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """What would play nothing, or for ever, is refused."""
    parser = argparse.ArgumentParser()
    play.add_arguments(parser)
    with pytest.raises(SystemExit):
        parser.parse_args(["t.ndjson", *words])
    assert words[0] in capsys.readouterr().err


def test_plays_are_recorded(tmp_path: Path) -> None:
    """What was played is found again, in order."""
    assert plays.recorded(tmp_path) == []
    plays.record(tmp_path, Play("/a b/é.ndjson", None))
    plays.record(tmp_path, Play("/b.ndjson", 7))
    assert plays.recorded(tmp_path) == [Play("/a b/é.ndjson", None), Play("/b.ndjson", 7)]
