import pytest

from bench.figures import compared
from bench.plot import reach


@pytest.mark.parametrize(("ratio", "target", "reached"), [(2.0, ">= 1", 2.0), (0.5, ">= 1", 0.5), (0.5, "<= 1", 2.0)])
def test_how_often_a_target_is_reached(ratio: float, target: str, reached: float) -> None:
    """To the right of the line is good, whichever way a target points."""
    assert reach(ratio, compared("x", [ratio], "s", peer="p", peers=[1.0], target=target)) == reached
