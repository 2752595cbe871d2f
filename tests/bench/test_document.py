from datetime import UTC, datetime
from pathlib import Path

import pytest

from bench.document import SET, documented, kept, pages
from bench.figures import alone
from bench.results import Results, read, recorded


@pytest.fixture
def results(tmp_path: Path) -> Results:
    figures = [alone("x.a.b", [1.0], "s", "<= 2"), alone("x.c", [1.0], "s")]
    for day, figure in enumerate(figures, 1):
        began = datetime(2026, 1, day, 12, tzinfo=UTC)
        list(recorded("x", [figure], folder=tmp_path, command=["x"], quick=False, began=began))
    return read(tmp_path, "x")


def test_the_pages_are_what_was_measured() -> None:
    """`python3 run.py bench --document` has nothing to write."""
    assert [
        page.name for page in pages() if documented(page.read_text(encoding="utf-8"), kept()) != page.read_text()
    ] == []
    assert "performance.md" in [page.name for page in pages()]


def test_a_target_that_was_set_is_not_forgotten(results: Results) -> None:
    """What nothing is kept of is named."""
    named = documented("<!-- bench: unmeasured -->\n<!-- end -->", [results])
    assert [name for name in SET if f"`{name}`" not in named] == []


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


def test_what_was_never_measured_is_said(results: Results) -> None:
    """A page may ask for what this machine has no figures of."""
    assert "`python3 run.py bench y`" in documented("<!-- bench: figures y -->\n<!-- end -->", [results])


def test_a_mark_of_another_kind_is_refused(results: Results) -> None:
    """A slip is no table that stays as it was."""
    with pytest.raises(ValueError, match="pictures"):
        documented("<!-- bench: pictures x -->\n<!-- end -->", [results])
