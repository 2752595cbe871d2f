import itertools
import random
import statistics
from collections import Counter

import pytest

from bench.arrivals import LIVELINESS_VARIANCE, PERSISTENCE, RATES, arrivals, liveliness, quantile


def test_as_many_come_as_were_asked_for() -> None:
    """All within the time, in order, in rooms that there are, and the same ones again from the same seed."""
    drawn = arrivals(50, 300, 7.5, random.Random(1))
    assert len(drawn) == 300 * 7.5
    dues = [arrival.due for arrival in drawn]
    assert dues == sorted(dues)
    assert 0 <= dues[0] < dues[-1] < 7.5
    assert 45 < len({arrival.room for arrival in drawn} & set(range(50))) <= 50
    assert drawn == arrivals(50, 300, 7.5, random.Random(1)) != arrivals(50, 300, 7.5, random.Random(2))


def test_rooms_differ_as_in_the_trace() -> None:
    """The busiest of them has many times what the quietest has, the middle one what it has there."""
    counts = sorted(Counter(arrival.room for arrival in arrivals(50, 2000, 60, random.Random(1))).values())
    assert counts[-1] / counts[0] > 8
    # Each room's share, of the rooms by their means; what is lively for a while averages out.
    assert counts[25] / sum(counts) == pytest.approx(quantile(RATES, 0.51) / 50 / statistics.mean(RATES), rel=0.15)


def test_a_room_is_lively_in_spells() -> None:
    """Mean 1, and the variance and the likeness of neighbouring minutes that were fitted."""
    levels = liveliness(100_000, random.Random(1))
    mean, variance = statistics.mean(levels), statistics.variance(levels)
    products = [(one - mean) * (other - mean) for one, other in itertools.pairwise(levels)]
    assert mean == pytest.approx(1, abs=0.02)
    assert variance == pytest.approx(LIVELINESS_VARIANCE, rel=0.05)
    assert statistics.mean(products) / variance == pytest.approx(PERSISTENCE, abs=0.02)


def test_messages_are_as_long_as_in_the_trace() -> None:
    """Most of them short, few very long."""
    lengths = sorted(arrival.length for arrival in arrivals(5, 1000, 20, random.Random(1)))
    assert 39 <= lengths[len(lengths) // 2] <= 47
    assert 400 < lengths[-1] <= 469


def test_a_quantile_lies_between_those_that_are_known() -> None:
    """At the ends, at one, and between two."""
    assert [quantile((1, 2, 6), share) for share in (0, 0.5, 0.75, 1)] == [1, 2, 4, 6]
