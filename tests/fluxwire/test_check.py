"""A check finds what is not as it should be, and says so."""

import hashlib
from pathlib import Path

import pytest

from fluxwire import check, trace
from fluxwire.check import Findings
from fluxwire.plays import Play
from fluxwire.trace import Event


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
