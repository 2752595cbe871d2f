"""Stores that rest."""

from multiplexer.errors import RenderFailed
from multiplexer.rests import COSTLY, MOST, TIMES, Rests


def test_it_rests_for_as_long_as_it_cost() -> None:
    """So many times; then it is rendered again."""
    rests, failed = Rests(), RenderFailed("a{}", "timeout")
    rests.add(failed, 5.0, now=100.0)
    assert rests.why("a{}", 100.0 + 5 * TIMES - 0.1) is failed
    assert rests.why("b{}", 100.0) is None
    assert rests.why("a{}", 100.0 + 5 * TIMES) is None


def test_who_fails_at_once_or_by_chance_does_not_rest() -> None:
    """Neither costs anybody anything."""
    rests = Rests()
    rests.add(RenderFailed("a{}", "raised"), COSTLY / 2, now=0.0)
    rests.add(RenderFailed("b{}", "a lock", transient=True), 1.0, now=0.0)
    assert (rests.why("a{}", 0.0), rests.why("b{}", 0.0)) == (None, None)


def test_rests_are_bounded() -> None:
    """Who began longest ago is let go."""
    rests = Rests()
    for number in range(MOST + 1):
        rests.add(RenderFailed(f"{number}", "timeout"), 5.0, now=0.0)
    assert rests.why("0", 1.0) is None
    assert rests.why("1", 1.0) is not None
