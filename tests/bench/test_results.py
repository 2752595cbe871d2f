from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from bench.figures import Figure, alone
from bench.results import read, recorded


def keep(folder: Path, day: int, *figures: Figure) -> None:
    began = datetime(2026, 1, day, tzinfo=UTC)
    passed = list(recorded("x", figures, folder=folder, command=["x"], quick=False, began=began))
    assert passed == list(figures)


def test_a_run_replaces_what_it_measured(tmp_path: Path) -> None:
    """Other figures keep their run and date; a run of which nothing is left is forgotten."""
    first, second = alone("x.a", [1.0], "s", "<= 1"), alone("x.b", [2.0], "s")
    keep(tmp_path, 1, first, second)
    again = alone("x.a", [3.0], "s", "<= 1")
    keep(tmp_path, 2, again)
    found = read(tmp_path, "x")
    assert [(kept.figure, found.run_of(kept).began[:10]) for kept in found.figures] == [
        (again, "2026-01-02"),
        (second, "2026-01-01"),
    ]
    keep(tmp_path, 3, second)
    assert [run.began[:10] for run in read(tmp_path, "x").runs] == ["2026-01-02", "2026-01-03"]


def test_what_was_measured_stays_when_a_run_breaks_off(tmp_path: Path) -> None:
    """A benchmark that fails after an hour leaves the figures of that hour."""

    def failing() -> Iterator[Figure]:
        yield alone("x.a", [1.0], "s")
        raise RuntimeError

    with pytest.raises(RuntimeError):
        list(recorded("x", failing(), folder=tmp_path, command=["x"], quick=True, began=datetime.now(UTC)))
    (kept,) = read(tmp_path, "x").figures
    assert kept.figure.name == "x.a"
    assert read(tmp_path, "x").run_of(kept).quick
