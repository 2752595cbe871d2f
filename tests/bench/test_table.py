import pytest

from bench.figures import alone, compared
from bench.table import lines, measured, number, targets, verdict


@pytest.mark.parametrize(
    ("value", "target", "words"),
    [
        (1.1, ">= 1", "met by 10 %"),
        (0.9, ">= 1", "**missed** by 10 %"),
        (4.0, "<= 5", "met by 20 %"),
        (6.0, "<= 5", "**missed** by 20 %"),
        (71.0, "<= 2", "**missed**, 35.5 times as much"),
        (3.0, ">= 1.5", "met, 2 times as much"),
        (1.0, "<= 1", "met"),
        (0.0, "<= 0", "met"),
        (2.0, "<= 0", "**missed**"),
    ],
)
def test_a_verdict_says_by_how_much(value: float, target: str, words: str) -> None:
    """A share of the target, or how many times as much it is."""
    assert verdict(alone("x", [value], "s", target)) == words


def test_what_has_no_target_is_not_judged() -> None:
    """It is measured, and in no list of targets."""
    figures = [alone("x.a", [1.0], "s"), compared("x.b", [1.0], "s", peer="p", peers=[2.0], target=">= 1")]
    assert "| `x.a` | 1 s |  | 1 to 1, 1 |" in measured(figures)
    assert [row.split("|")[1].strip() for row in targets(figures).splitlines()[2:]] == ["`x.b`"]
    assert lines(figures).endswith("0 of 1 targets met")


def test_numbers_have_the_digits_they_deserve() -> None:
    """Three, but for what stands before the point."""
    assert [number(value) for value in (0.0008, 1.2345, 99.96, 123.4, 123456.0, -1.0)] == [
        "0.0008", "1.23", "100", "123", "123,456", "-1",
    ]  # fmt: skip
