import pytest

from bench.soak import growth


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([1, 5, 8, 10, 10, 10], 1.0),  # what fills up at first is no growth
        ([10, 10, 10, 10, 12, 13], 1.3),
        ([10, 10, 10, 10, 9, 8], 0.8),
    ],
)
def test_growth_is_of_what_has_no_bound(values: list[float], expected: float) -> None:
    """The end beside what was there when everything bounded was full."""
    assert growth([(minute, value) for minute, value in enumerate(values)]) == pytest.approx(expected)
