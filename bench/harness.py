"""How every benchmark is run: what was asked for, and rounds in which all that is compared takes turns."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TypeVar

from .figures import Figure

Measured = TypeVar("Measured")


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


def in_turn(
    sides: Mapping[str, Callable[[], Measured]],
    *,
    rounds: int,
    warm_up: int = 0,
    say: Callable[[str, Measured], None] = lambda _name, _value: None,
) -> dict[str, list[Measured]]:
    """Measure all sides once a round, there and back, so that what drifts favours nobody: A B, B A, A B.

    Args:
        sides: What is compared: its name, and what measures it once.
        rounds: How many count.
        warm_up: How many come before and do not count.
        say: Is told what was measured of whom, as it comes.

    Returns:
        What was measured of each side, one value a round.

    """
    measured: dict[str, list[Measured]] = {name: [] for name in sides}
    for number in range(-warm_up, rounds):
        for name in sides if number % 2 == 0 else reversed(list(sides)):
            value = sides[name]()
            if number >= 0:
                measured[name].append(value)
                say(name, value)
    return measured


def _names(name: str, figure: str) -> bool:
    return figure == name or figure.startswith(name + ".")
