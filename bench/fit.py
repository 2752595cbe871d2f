"""Costs out of runs: how much each thing takes, when it is known how often each was done and what all took together."""

import math
import statistics
from collections.abc import Sequence

PASSES = 5_000


def least_squares(rows: Sequence[Sequence[float]], values: Sequence[float]) -> list[float]:
    """Find what is not negative and explains all values best, each by its share: a tenth is a tenth, large or small.

    One unknown after the other is set to what leaves least, until nothing changes (coordinate descent).

    Args:
        rows: How often each thing was done, a row a run.
        values: What each run took; above 0.

    Returns:
        What each thing takes.

    """
    scaled = [[count / value for count in row] for row, value in zip(rows, values, strict=True)]
    columns = list(zip(*scaled, strict=True))
    norms = [math.fsum(count * count for count in column) for column in columns]
    found = [0.0] * len(columns)
    rest = [1.0] * len(values)
    for _ in range(PASSES):
        for place, (column, norm) in enumerate(zip(columns, norms, strict=True)):
            if not norm:
                continue
            step = math.fsum(count * left for count, left in zip(column, rest, strict=True)) / norm
            after = max(0.0, found[place] + step)
            moved, found[place] = after - found[place], after
            rest = [left - moved * count for left, count in zip(rest, column, strict=True)]
    return found


def order_of_growth(points: Sequence[tuple[float, float]]) -> float:
    """By which power of x y grows: 0 not at all, 1 in proportion.

    Args:
        points: Both above 0.

    """
    slope, _ = statistics.linear_regression([math.log(x) for x, _ in points], [math.log(y) for _, y in points])
    return slope


def bend(points: Sequence[tuple[float, float]]) -> float | None:
    """Where a curve turns most: the x from which on it grows by another power, if that differs by a third or more.

    Args:
        points: By rising x, both above 0.

    Returns:
        None if one power describes all of it.

    """
    found: tuple[float, float] | None = None
    for place in range(1, len(points) - 1):
        turn = abs(order_of_growth(points[place:]) - order_of_growth(points[: place + 1]))
        if turn >= TURN and (found is None or turn > found[0]):
            found = turn, points[place][0]
    return None if found is None else found[1]


TURN = 1 / 3
