from datetime import UTC, datetime
from pathlib import Path

import pytest

from bench.document import documented
from bench.figures import alone
from bench.results import Results, read, recorded


@pytest.fixture
def results(tmp_path: Path) -> Results:
    figures = [alone("x.a.b", [1.0], "s", "<= 2"), alone("x.c", [1.0], "s")]
    for day, figure in enumerate(figures, 1):
        began = datetime(2026, 1, day, 12, tzinfo=UTC)
        list(recorded("x", [figure], folder=tmp_path, command=["x"], quick=False, began=began))
    return read(tmp_path, "x")


def test_what_is_between_marks_is_made(results: Results) -> None:
    """What is written by hand stays, and a second time changes nothing."""
    page = "Before.\n\n<!-- bench: figures x.a -->\nold\n<!-- end -->\n\nAfter.\n"
    made = documented(page, [results])
    assert made.startswith("Before.\n")
    assert made.endswith("\nAfter.\n")
    assert "old" not in made
    assert "`x.a.b`" in made
    assert "x.c" not in made
    assert "2026-01-01 at 12:00 UTC" in made
    assert documented(made, [results]) == made


def test_each_figure_says_of_when_it_is(results: Results) -> None:
    """If some were measured again, those of before keep their day."""
    made = documented("<!-- bench: figures x -->\n<!-- end -->", [results])
    assert "`x.a.b`: taken on 2026-01-01" in made
    assert "`x.c`: taken on 2026-01-02" in made


@pytest.mark.parametrize("mark", ["figures y", "pictures x"])
def test_a_mark_that_means_nothing_is_refused(mark: str, results: Results) -> None:
    """A name that is not kept, a kind that there is not."""
    with pytest.raises(ValueError, match=r"kept|marks"):
        documented(f"<!-- bench: {mark} -->\n<!-- end -->", [results])
