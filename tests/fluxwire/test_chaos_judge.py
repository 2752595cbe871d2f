"""A verdict names every promise that a history breaks, and no other."""

import pytest

from fluxwire.chaos.history import OK, REFUSED, UNKNOWN, Attempt, History, Strike
from fluxwire.chaos.judge import availability, judge, percentiles, recoveries

Rows = list[tuple[str, int]]


def attempt(place: int, outcome: str | None = OK, writer: str = "ada", seen: bool | None = True) -> Attempt:
    return Attempt(writer, place, place, place + 0.5, outcome, seen=seen if outcome == OK else None)


def counts(rows: Rows, *attempts: Attempt) -> dict[str, int]:
    found = judge(History(list(attempts)), rows).counts()
    return {kind: count for kind, count in found.items() if count}


@pytest.mark.parametrize(
    ("rows", "attempts", "found"),
    [
        ([("ada", 1), ("bob", 1), ("ada", 2)], [attempt(1), attempt(2), attempt(1, writer="bob")], {}),
        ([], [attempt(1, UNKNOWN), attempt(2, REFUSED)], {}),
        ([("ada", 1)], [attempt(1, UNKNOWN)], {}),
        ([("ada", 1)], [attempt(1), attempt(2)], {"lost": 1}),
        ([("bob", 1)], [attempt(1), attempt(1, writer="bob")], {"lost": 1}),
        ([("ada", 1)], [attempt(1, None)], {"lost": 1}),
        ([("ada", 1), ("ada", 1)], [attempt(1)], {"doubled": 1}),
        ([("ada", 1), ("ada", 1)], [attempt(1, UNKNOWN)], {"doubled": 1}),
        ([("ada", 1)], [attempt(1, REFUSED)], {"doubled": 1}),
        ([("ada", 2), ("bob", 1), ("ada", 1)], [attempt(1), attempt(2)], {"disordered": 1}),
        ([("ada", 1)], [attempt(1, seen=False)], {"early": 1}),
        ([("ada", 1)], [attempt(1, seen=None)], {"early": 1}),
    ],
)
def test_rows(rows: Rows, attempts: list[Attempt], found: dict[str, int]) -> None:
    """What is in the database is what was acknowledged: once, in order, and not later."""
    assert counts(rows, *attempts) == found


def test_noticed_before() -> None:
    """What was noticed on the way is in the verdict."""
    violations = judge(History(breaks=["a", "b"], divergences=["c"]), [])
    assert violations.counts() == {"lost": 0, "doubled": 0, "disordered": 0, "broken": 2, "diverged": 1, "early": 0}
    assert violations.sentences() == ["broken: a", "broken: b", "diverged: c"]


def test_availability() -> None:
    """A window counts if something was acknowledged in it, however much; what is refused does not count."""
    settled = [(OK, 0.05), (OK, 0.06), (OK, 0.31), (REFUSED, 0.21), (OK, 7.0), (None, None)]
    history = History([Attempt("ada", 1, 0.0, at, outcome) for outcome, at in settled])
    assert availability(history, 0.0, 0.4) == pytest.approx(0.5)


def test_recoveries() -> None:
    """A fault is felt until every writer has something acknowledged that it sent after it."""
    history = History(
        [
            Attempt("ada", 1, 0.9, 1.1, OK),
            Attempt("ada", 2, 1.2, 1.5, OK),
            Attempt("ada", 3, 1.3, 1.4, OK),
            Attempt("bob", 1, 1.3, 1.9, REFUSED),
            Attempt("bob", 2, 1.4, 4.0, OK),
        ],
        [Strike("kill", "x", 1.0, 1.0), Strike("cut", "y", 2.0, 2.0)],
    )
    assert recoveries(history, ["ada", "bob"]) == {"kill": [3.0]}
    assert recoveries(history, ["ada"]) == {"kill": [pytest.approx(0.4)]}


def test_percentiles() -> None:
    """The median and the slowest of a hundred."""
    assert percentiles([n / 100 for n in range(1, 101)]) == {"p50": 500, "p99": 990}
    assert percentiles([0.25]) == {"p50": 250, "p99": 250}
