"""What every benchmark is made of: figures, each beside the floor or peer measured in the same run.

Absolute times mean little on a shared machine. A figure therefore carries its ratio to something measured in turn with
it, the median of several rounds, and how far the rounds lay apart.
"""

import statistics
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import msgspec


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
    target: str
    """What is to be reached: ``>= 0.8`` or ``<= 5``; of ``ratio`` if there is one, else of ``value``."""
    met: bool
    runs: int
    """How many rounds there were."""
    spread: tuple[float, float]
    """Smallest and largest of the rounds, of what ``target`` is about."""
    course: list[tuple[float, float]] = []
    """How it went, if it was watched: seconds since the beginning, and the value then."""


def alone(name: str, values: Sequence[float], unit: str, target: str) -> Figure:
    """A figure that stands alone.

    Args:
        name: The figure's name.
        values: One a round.
        unit: Of the values.
        target: For their median.

    """
    value = statistics.median(values)
    spread = (_short(min(values)), _short(max(values)))
    return Figure(name, _short(value), unit, None, None, target, reaches(value, target), len(values), spread)


def watched(name: str, course: Sequence[tuple[float, float]], value: float, unit: str, target: str) -> Figure:
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
    short = [(_short(seconds), _short(value)) for seconds, value in course]
    return Figure(name, _short(value), unit, None, None, target, reaches(value, target), 1, spread, short)


def compared(
    name: str, values: Sequence[float], unit: str, *, peer: str, peers: Sequence[float], target: str
) -> Figure:
    """A figure beside a floor or peer.

    Args:
        name: The figure's name.
        values: Ours, one a round.
        unit: Of the values.
        peer: What it is compared with.
        peers: The peer's values, of the same rounds.
        target: For the median of the rounds' ratios.

    """
    ratios = [value / other for value, other in zip(values, peers, strict=True)]
    ratio = statistics.median(ratios)
    spread = (_short(min(ratios)), _short(max(ratios)))
    value = _short(statistics.median(values))
    return Figure(name, value, unit, peer, _short(ratio), target, reaches(ratio, target), len(ratios), spread)


def reaches(number: float, target: str) -> bool:
    """Whether a number is as its target says."""
    relation, _, bound = target.partition(" ")
    if relation == ">=":
        return number >= float(bound)
    if relation == "<=":
        return number <= float(bound)
    raise ValueError(f"a target is '>= x' or '<= x', not {target!r}")


@dataclass(frozen=True, slots=True)
class Options:
    """What was asked for on the command line."""

    names: tuple[str, ...] = ()
    """Figures, or the beginnings of their names; none means all."""
    quick: bool = False
    """Whether a short run will do: it shows that all works, and its figures show little."""
    seconds: float | None = None
    """For how long what is held is held; None: as long as usual."""
    say: Callable[[str], None] = print
    """Takes a line about how things go, for whoever waits."""

    def wants(self, *figures: str) -> bool:
        """Whether any of these figures was asked for."""
        return not self.names or any(_names(name, figure) for name in self.names for figure in figures)


Benchmark = Callable[[Options], Iterator[Figure]]
"""Yields its figures as they are ready, those that ``options.wants``."""


def _names(name: str, figure: str) -> bool:
    return figure == name or figure.startswith(name + ".")


def _short(number: float) -> float:
    """Four digits are more than any of these figures deserve."""
    return float(f"{number:.4g}")
