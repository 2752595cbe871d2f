"""How many clients a second a front can take, measured: what is left of its core, and what letting one in costs it.

Other fronts that send clients away go by it (docs/operations.md, Ending a front). No clock is read here.
"""

FULL = 0.7
"""A front that uses so much of its core takes nobody more: those it has are to be served as before."""

LEAST = 10.0
"""Clients a second that every front takes: none is so busy that nobody may come."""

TELLING = 20.0
"""So many new clients a second tell what one costs; fewer are lost in what else there is to do."""

CHEAPEST = 0.0001
"""Processor seconds that a client costs at least: whatever is measured below is chance."""

WEIGHT = 0.3
"""How much the newest measure counts against those before."""


class Intake:
    """The measure of one front.

    Args:
        rate: Clients a second that an idle front is taken to take, until it is known.

    """

    def __init__(self, rate: float) -> None:
        self._cost = FULL / rate  # processor seconds a client
        self._base = 0.0  # of the core, for everything else
        self._usage = 0.0
        self._last: tuple[float, float, int] | None = None

    @property
    def rate(self) -> float:
        """Clients a second that it can take now."""
        return max(LEAST, (FULL - self._usage) / self._cost)

    def note(self, now: float, used: float, clients: int) -> None:
        """Take a measure, every second or so.

        Args:
            now: The time, in seconds.
            used: Processor time used since the start, in seconds.
            clients: How many clients were let in since the start.

        """
        before, self._last = self._last, (now, used, clients)
        if before is None or now <= before[0]:
            return
        seconds, spent, came = now - before[0], used - before[1], clients - before[2]
        self._usage = spent / seconds
        if came < TELLING * seconds:
            self._base += WEIGHT * (self._usage - self._base)
        else:
            cost = max((spent - self._base * seconds) / came, CHEAPEST)
            self._cost += WEIGHT * (cost - self._cost)
