"""Chat traces: what people did in rooms, one JSON object a line (docs/trace.md); reading them and making them up."""

from __future__ import annotations

import argparse
import gzip
import json
import random
import sys
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import IO, Literal, cast, get_args

from fluxwire.stack.errors import StackError

Kind = Literal["message", "join", "part", "nick"]
KINDS = get_args(Kind)

# What the chat example accepts: its constraints and the limit in post_message.
LONGEST_ROOM = 80
LONGEST_NAME = 80
LONGEST_BODY = 4000

NOBODY = "-"
"""The actor for a user without a name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One line of a trace.

    Args:
        room: Where it happened.
        t: When, in seconds from the room's own zero.
        kind: What happened.
        user: Who did it.
        body: The text of a message.
        to: The new name, with ``nick``.

    """

    room: str
    t: float
    kind: Kind
    user: str
    body: str = ""
    to: str = ""

    @property
    def actor(self) -> str:
        """The actor who plays this user: a token needs a subject, and Postgres has no NUL."""
        return self.user.replace("\0", "\ufffd") or NOBODY

    @property
    def posts(self) -> bool:
        """Whether it is a message that the chat accepts, by its limits and those of Postgres."""
        return (
            self.kind == "message"
            and 1 <= len(self.room) <= LONGEST_ROOM
            and len(self.body) <= LONGEST_BODY
            and "\0" not in self.room + self.body
        )


def read(path: Path, limit: int | None = None) -> Iterator[Event]:
    """Read a trace.

    Args:
        path: A file of JSON lines, compressed if its name ends in ``.gz``.
        limit: How many lines to read at most.

    Raises:
        StackError: The file cannot be read, or a line is no event.

    """
    number = 0
    try:
        with _open(path) as file:
            for number, line in enumerate(islice(file, limit), 1):  # noqa: B007 - named when the line is bad
                yield _event(json.loads(line))
    except (ValueError, KeyError, TypeError, RecursionError) as exc:
        problem = f"{path}, line {number}: no event ({type(exc).__name__}: {exc})"
        raise StackError(problem, "docs/trace.md describes the format.") from exc
    except (OSError, EOFError, zlib.error) as exc:
        raise StackError(f"{path} cannot be read: {exc}") from exc


def make(*, rooms: int, users: int, messages: int, seed: int = 1) -> Iterator[Event]:
    """Make up a trace with everything real ones have: joins, parts, renames, empty and odd texts.

    Args:
        rooms: How many rooms, one after the other.
        users: How many users each room has.
        messages: How many messages each room has.
        seed: The same seed gives the same trace.

    """
    dice = random.Random(seed)  # noqa: S311 - it has to be repeatable, not secret
    for room in range(1, rooms + 1):
        names = [f"user{number}" for number in range(1, users + 1)]
        t = 0.0
        for _ in range(messages):
            place = dice.randrange(users)
            other = dice.choices([None, "join", "part", "nick"], [20, 2, 1, 1])[0]
            if other is not None:
                t += dice.choice([0.0, 0.5, 2.0])
                to = f"{names[place].partition('|')[0]}|{dice.choice(_MOODS)}" if other == "nick" else ""
                yield Event(room=f"room-{room}", t=t, kind=cast("Kind", other), user=names[place], to=to)
                names[place] = to or names[place]
            t += dice.choice([0.0, 0.5, 2.0])
            plain = " ".join(dice.choices(_WORDS, k=dice.randint(1, 12)))
            body = dice.choice(_ODD_TEXTS) if dice.random() < _ODD else plain
            yield Event(room=f"room-{room}", t=t, kind="message", user=names[place], body=body)


def line(event: Event) -> str:
    """Write an event as a line of a trace, without the end of line."""
    members: dict[str, object] = {"room": event.room, "t": event.t, "kind": event.kind, "user": event.user}
    if event.kind == "message":
        members["body"] = event.body
    if event.kind == "nick":
        members["to"] = event.to
    return json.dumps(members, ensure_ascii=False)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what `fluxwire trace` takes."""
    parser.add_argument("--rooms", type=int, default=3, help="how many rooms (default: 3)")
    parser.add_argument("--users", type=int, default=20, help="how many users in each (default: 20)")
    parser.add_argument("--messages", type=int, default=500, help="how many messages in each (default: 500)")
    parser.add_argument("--seed", type=int, default=1, help="another number gives another trace (default: 1)")


def run(args: argparse.Namespace) -> int:
    """Print a made-up trace."""
    for event in make(rooms=args.rooms, users=args.users, messages=args.messages, seed=args.seed):
        sys.stdout.write(line(event) + "\n")
    return 0


_ODD = 0.05
"""How many of the texts are odd ones, as a share."""
_MOODS = ("away", "coffee", "work", "zZz")
_WORDS = ("the", "driver", "works", "again", "after", "a", "reboot", "try", "this:", "sudo", "<b>no</b>", '"really"?')
_ODD_TEXTS = ("", " ", "\\", "日本語 שלום 👩‍👩‍👧", "\ufffd\u200b", "'; --", "a\tb\x01c", "x" * 469)


def _open(path: Path) -> IO[bytes]:
    # As bytes, whose lines end in a line feed and nothing else.
    return cast("IO[bytes]", gzip.open(path)) if path.suffix == ".gz" else path.open("rb")


def _event(members: object) -> Event:
    if not isinstance(members, dict):
        raise TypeError("an object was expected")
    kind = members["kind"]
    if kind not in KINDS:
        raise ValueError(f"unknown kind {kind!r}")
    return Event(
        room=_text(members["room"]),
        t=float(cast("float", members["t"])),
        kind=cast("Kind", kind),
        user=_text(members["user"]),
        body=_text(members["body"]) if kind == "message" else "",
        to=_text(members["to"]) if kind == "nick" else "",
    )


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"a text was expected, not {value!r}")
    # JSON can spell half of a surrogate pair, which is no text anywhere else.
    return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
