import pytest

from bench.fit import bend, least_squares, order_of_growth


def test_costs_are_found_again() -> None:
    """What runs took is taken apart into what each thing takes, however much larger one run is."""
    rows = [(1.0, 10.0, 0.0), (1.0, 1000.0, 5.0), (2.0, 10.0, 500.0), (1.0, 400.0, 400.0)]
    values = [0.5 * seconds + 0.01 * actions + 0.002 * writes for seconds, actions, writes in rows]
    assert least_squares(rows, values) == pytest.approx([0.5, 0.01, 0.002], rel=0.01)


def test_no_cost_is_below_nothing() -> None:
    """What seems to give something back costs nothing."""
    found = least_squares([(1.0, 1.0), (1.0, 2.0), (1.0, 3.0)], [3.0, 2.0, 1.0])
    assert min(found) >= 0


def test_orders_of_growth() -> None:
    """In proportion, with the square root, not at all; and where a curve turns."""
    places = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0]
    assert order_of_growth([(x, 3 * x) for x in places]) == pytest.approx(1)
    assert order_of_growth([(x, x**0.5) for x in places]) == pytest.approx(0.5)
    assert order_of_growth([(x, 7.0) for x in places]) == pytest.approx(0)
    assert bend([(x, 3 * x) for x in places]) is None
    assert bend([(x, max(8.0, x)) for x in places]) == 8.0
