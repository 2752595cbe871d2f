"""What every benchmark yields: figures, each beside the floor or peer measured in the same run.

Absolute times mean little on a shared machine. A figure therefore carries its ratio to something measured in turn with
it, the median of several rounds, and how far the rounds lay apart. What is more than a number is a curve: how something
went, how a cost grows, how often which latency was seen.
"""

import statistics
from collections.abc import Sequence
from typing import Literal

import msgspec


class Curve(msgspec.Struct, frozen=True, omit_defaults=True):
    """Points that belong together. Curves of one figure with the same axes are drawn into one panel."""

    name: str
    """Whose they are, or of what: a contender, a size; one line of the legend."""
    x: str
    """What goes to the right, with its unit: ``clients``, ``seconds``, ``latency, ms``."""
    y: str
    """What goes up, with its unit: ``deliveries``, ``us of processor time a delivery``."""
    points: list[tuple[float, float]]
    """By rising x; of a histogram where a bin begins and what is in it, and at last where the last one ends and 0."""
    log: Literal["", "x", "y", "xy"] = ""
    """Which axes are logarithmic."""
    drawn: Literal["line", "points", "histogram"] = "line"


class Figure(msgspec.Struct, frozen=True, omit_defaults=True):
    """One measured figure; as JSON, one line of ``bench --json``."""

    name: str
    """Never changes: ``front.memory_kb``."""
    value: float
    """What was measured of ours: the median of the rounds."""
    unit: str
    """Of ``value``."""
    against: str | None
    """The floor or peer in the same run; None for a figure that stands alone."""
    ratio: float | None
    """``value`` to that of ``against``, the median of the rounds' ratios."""
    target: str | None
    """What is to be reached: ``>= 0.8`` or ``<= 5``; of ``ratio`` if there is one, else of ``value``; None: nothing."""
    met: bool | None
    """None where there is no target."""
    runs: int
    """How many rounds there were."""
    spread: tuple[float, float]
    """Smallest and largest of the rounds, of what ``target`` is about."""
    load: float | None = None
    """How busy the load generator was meanwhile, of a core; None where nothing but what is measured works."""
    waited: float | None = None
    """For how much of the time in which ours wanted to run others had its core; None where that is not known."""
    curves: list[Curve] = []


def alone(
    name: str, values: Sequence[float], unit: str, target: str | None = None, *, curves: Sequence[Curve] = ()
) -> Figure:
    """A figure that stands alone.

    Args:
        name: The figure's name.
        values: One a round.
        unit: Of the values.
        target: For their median; None if there is none.
        curves: What is to be seen beside the number.

    """
    value = statistics.median(values)
    spread = (_short(min(values)), _short(max(values)))
    return Figure(
        name, _short(value), unit, None, None, target, reaches(value, target), len(values), spread, curves=short(curves)
    )


def watched(name: str, course: Sequence[tuple[float, float]], value: float, unit: str, target: str | None) -> Figure:
    """A figure that was watched while it ran.

    Args:
        name: The figure's name.
        course: Seconds since the beginning, and the value then.
        value: What it comes to.
        unit: Of the values.
        target: For what it comes to.

    """
    values = [value for _, value in course]
    spread = (_short(min(values)), _short(max(values)))
    curves = short([Curve(name, "seconds", unit, list(course))])
    return Figure(name, _short(value), unit, None, None, target, reaches(value, target), 1, spread, curves=curves)


def compared(
    name: str,
    values: Sequence[float],
    unit: str,
    *,
    peer: str,
    peers: Sequence[float],
    target: str | None = None,
    curves: Sequence[Curve] = (),
) -> Figure:
    """A figure beside a floor or peer.

    Args:
        name: The figure's name.
        values: Ours, one a round.
        unit: Of the values.
        peer: What it is compared with.
        peers: The peer's values, of the same rounds.
        target: For the median of the rounds' ratios; None if there is none.
        curves: What is to be seen beside the number.

    """
    ratios = [value / other for value, other in zip(values, peers, strict=True)]
    ratio = statistics.median(ratios)
    spread = (_short(min(ratios)), _short(max(ratios)))
    value = _short(statistics.median(values))
    return Figure(
        name,
        value,
        unit,
        peer,
        _short(ratio),
        target,
        reaches(ratio, target),
        len(ratios),
        spread,
        curves=short(curves),
    )


def reaches(number: float, target: str | None) -> bool | None:
    """Whether a number is as its target says; None if there is no target."""
    if target is None:
        return None
    relation, _, bound = target.partition(" ")
    if relation == ">=":
        return number >= float(bound)
    if relation == "<=":
        return number <= float(bound)
    raise ValueError(f"a target is '>= x' or '<= x', not {target!r}")


def short(curves: Sequence[Curve]) -> list[Curve]:
    """Curves with no more digits than they deserve."""
    return [
        msgspec.structs.replace(curve, points=[(_short(x), _short(y)) for x, y in curve.points]) for curve in curves
    ]


def _short(number: float) -> float:
    """Four digits are more than any of these figures deserve."""
    return float(f"{number:.4g}")
