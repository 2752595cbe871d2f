"""Traces are read as docs/trace.md has it, and made up so that they have everything real ones have."""

import argparse
import gzip
import json
from collections import Counter
from pathlib import Path

import pytest

from fluxwire import trace
from fluxwire.stack.errors import StackError
from fluxwire.trace import Event


def write(path: Path, *lines: str) -> Path:
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


LINE = '{"room": "r", "t": 1.5, "kind": "message", "user": "ada", "body": "hi", "more": 1}'


def test_read(tmp_path: Path) -> None:
    """Each kind of line is read, members that are not known are ignored."""
    path = write(
        tmp_path / "t.ndjson",
        LINE,
        '{"room": "r", "t": 2, "kind": "nick", "user": "ada", "to": "bob"}',
        '{"room": "r", "t": 2, "kind": "part", "user": "bob"}',
        '{"room": "s", "t": 0, "kind": "join", "user": ""}',
    )
    assert list(trace.read(path)) == [
        Event(room="r", t=1.5, kind="message", user="ada", body="hi"),
        Event(room="r", t=2.0, kind="nick", user="ada", to="bob"),
        Event(room="r", t=2.0, kind="part", user="bob"),
        Event(room="s", t=0.0, kind="join", user=""),
    ]


def test_limit(tmp_path: Path) -> None:
    """The limit counts lines, and what is behind it is not looked at."""
    path = write(tmp_path / "t.ndjson", LINE, LINE, "nonsense")
    assert len(list(trace.read(path, 2))) == 2


@pytest.mark.parametrize(
    "bad",
    [
        "nonsense",
        "[]",
        "1",
        "null",
        "",
        "{}",
        '{"room": "r", "t": 1, "kind": "dance", "user": "u"}',
        '{"room": "r", "t": 1, "kind": [], "user": "u"}',
        '{"room": "r", "t": 1, "kind": "message", "user": "u"}',
        '{"room": "r", "t": 1, "kind": "message", "user": "u", "body": 1}',
        '{"room": "r", "t": 1, "kind": "nick", "user": "u"}',
        '{"room": "r", "t": "now", "kind": "join", "user": "u"}',
        '{"room": null, "t": 1, "kind": "join", "user": "u"}',
    ],
)
def test_bad_line(tmp_path: Path, bad: str) -> None:
    """A line that is no event is named."""
    path = write(tmp_path / "t.ndjson", LINE, bad)
    with pytest.raises(StackError) as error:
        list(trace.read(path))
    assert error.value.problem.startswith(f"{path}, line 2: ")


def test_unreadable(tmp_path: Path) -> None:
    """A file that is missing, cut off, not compressed or not UTF-8 is a problem told in a line."""
    cut = tmp_path / "cut.ndjson.gz"
    cut.write_bytes(gzip.compress(LINE.encode() * 100)[:-20])
    plain = write(tmp_path / "plain.ndjson.gz", LINE)
    latin = tmp_path / "latin.ndjson"
    latin.write_bytes(LINE.replace("hi", "\xe9").encode("latin-1"))
    for path in (tmp_path / "missing.ndjson", cut, plain, latin):
        with pytest.raises(StackError):
            list(trace.read(path))


def test_odd_texts(tmp_path: Path) -> None:
    """Text stays as it is, also with odd ends of line in it; half a surrogate pair becomes U+FFFD."""
    body = "a\u2028b\x85c\rd\ud800e\U0001f600"
    path = write(tmp_path / "t.ndjson", json.dumps({"room": "r", "t": 0, "kind": "message", "user": "u", "body": body}))
    (event,) = trace.read(path)
    assert event.body == "a\u2028b\x85c\rd\ufffde\U0001f600"
    again = write(tmp_path / "again.ndjson", trace.line(event))
    assert list(trace.read(again)) == [event]


@pytest.mark.parametrize(
    ("user", "actor"), [("ada", "ada"), ("", "-"), (" ", " "), ("a\0b", "a\ufffdb"), ("é|x", "é|x")]
)
def test_actor(user: str, actor: str) -> None:
    """Whatever a user is called, an actor can be called."""
    assert Event(room="r", t=0, kind="join", user=user).actor == actor


@pytest.mark.parametrize(
    ("room", "body", "posts"),
    [
        ("r", "hi", True),
        ("r", "", True),
        ("r", "x" * 4000, True),
        ("r", "\U0001f600" * 4000, True),
        ("r", "x" * 4001, False),
        ("r", "a\0b", False),
        ("", "hi", False),
        ("r" * 80, "hi", True),
        ("r" * 81, "hi", False),
    ],
)
def test_posts(room: str, body: str, *, posts: bool) -> None:
    """A message counts if the chat accepts it."""
    assert Event(room=room, t=0, kind="message", user="u", body=body).posts is posts
    assert not Event(room=room, t=0, kind="join", user="u").posts


def test_made_up() -> None:
    """A made-up trace is repeatable, in time order, and has every kind of event and odd texts."""
    events = list(trace.make(rooms=2, users=10, messages=300))
    assert events == list(trace.make(rooms=2, users=10, messages=300))
    assert events != list(trace.make(rooms=2, users=10, messages=300, seed=2))
    kinds = Counter(event.kind for event in events)
    assert kinds["message"] == 600
    assert min(kinds[kind] for kind in ("join", "part", "nick")) > 10
    assert "" in {event.body for event in events if event.kind == "message"}
    for room in ("room-1", "room-2"):
        times = [event.t for event in events if event.room == room]
        assert times == sorted(times)
    renamed = {event.to for event in events if event.kind == "nick"}
    assert renamed & {event.user for event in events if event.kind == "message"}


def test_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What `fluxwire trace` prints can be read, compressed as well."""
    parser = argparse.ArgumentParser()
    trace.add_arguments(parser)
    assert trace.run(parser.parse_args(["--rooms", "1", "--users", "3", "--messages", "50", "--seed", "9"])) == 0
    path = tmp_path / "t.ndjson.gz"
    path.write_bytes(gzip.compress(capsys.readouterr().out.encode()))
    assert list(trace.read(path)) == list(trace.make(rooms=1, users=3, messages=50, seed=9))
