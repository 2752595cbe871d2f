"""Leaving in good order: clients go one after the other, no faster than the other fronts take them."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast clients go.

    Args:
        rate: How many clients a second the other fronts can take, all together; before they say so, as many as one
            front is taken to take.
        seconds: How long it may take until the last one is gone; who goes before the others can take him is told when
            they can.
        notice: How long load balancers are told before anybody goes, in seconds.

    """

    rate: float
    seconds: float
    notice: float = 0.0


DEFAULT_PACE = Pace(rate=1000.0, seconds=20.0, notice=2.0)


class Departure(Generic[T]):
    """Clients that go, and when.

    Args:
        clients: Those who go.
        pace: How fast.
        now: When the first one goes, in seconds.

    """

    def __init__(self, clients: Sequence[T], pace: Pace, now: float) -> None:
        self._clients = list(clients)
        # Whoever came together does not go together.
        random.shuffle(self._clients)
        self._count = len(self._clients)
        self._began = now
        self._pace = pace
        self._leaving_rate = max(pace.rate, self._count / pace.seconds) if pace.seconds > 0 else float("inf")

    @property
    def over(self) -> bool:
        """Whether all have been told."""
        return not self._clients

    def due(self, now: float) -> list[tuple[T, float]]:
        """Those who go now, each with the seconds until the other fronts can take him."""
        due: list[tuple[T, float]] = []
        while self._clients:
            turn = self._count - len(self._clients)
            if self._began + turn / self._leaving_rate > now:
                break
            due.append((self._clients.pop(), max(0.0, self._began + turn / self._pace.rate - now)))
        return due

    def hurry(self) -> None:
        """Let all go at once; they still come back at the pace."""
        self._leaving_rate = float("inf")


def share_of(clients: Sequence[T], share: float) -> list[T]:
    """So many of the clients, chosen by chance.

    Args:
        clients: All there are.
        share: From 0 to 1.

    """
    return random.sample(clients, k=round(len(clients) * share))


def farewell(seconds: float) -> str:
    """The reason that goes with close code 4200 (docs/protocol.md §6)."""
    return f"come back in {round(seconds * 1000)} ms"
