"""The house rules for SQL files, which ruff does not read."""

from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
FILES = sorted([*(ROOT / "sql").rglob("*.sql"), *(ROOT / "examples").rglob("*.sql")])
WIDTH = 120


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_lines_are_short_enough_to_be_read(file: Path) -> None:
    """As in Python, no line has more than 120 characters."""
    lines = enumerate(file.read_text(encoding="utf-8").splitlines(), start=1)
    assert [number for number, line in lines if len(line) > WIDTH] == []
