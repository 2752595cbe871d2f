"""How often things happen when messages come at random times: batches, what they change, and writes in ticks.

Approximations by means, each compared with a simulation in tests/fluxwire/test_plan_rates.py.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

ROUNDS = 10_000
CLOSE = 1e-9


def batch_size(parcels: "Parcels", seconds_of: Callable[[float], float], *, most: float) -> float:
    """How many actions are in a batch: whatever arrived while the last one ran, or if nothing did, the next parcel.

    Not in it: a parcel that is larger than a batch ends as a full one and the rest.

    Args:
        parcels: How they arrive.
        seconds_of: How long a batch of so many actions runs.
        most: How many a batch holds.

    """
    size = parcels.size
    for _ in range(ROUNDS):
        seconds = seconds_of(size)
        came = parcels.actions * seconds
        # A batch that began when a parcel came sees no other one of that front for a tick.
        spared = parcels.actions / parcels.fronts * min(seconds, parcels.tick)
        none_after_rest, none = parcels.none_after_one(seconds), parcels.none(seconds)
        rests = none / (1 - none_after_rest + none) if none_after_rest < 1 else 1.0
        after = min(most, max(parcels.size, came - rests * spared + rests * parcels.size))
        if abs(after - size) < CLOSE * size:
            return after
        size += (after - size) / 2
    return size


@dataclass(frozen=True, slots=True)
class Parcels:
    """How actions arrive at the multiplexer: gathered by fronts, each of which appends a tick apart or more."""

    actions: float
    """A second, at random times; more than none."""
    fronts: int
    tick: float
    """Seconds."""
    most: float
    """Actions that a parcel holds."""

    @property
    def size(self) -> float:
        """Actions in a parcel."""
        each = self.actions / self.fronts
        return min(self.most, each * gap(each, apart=0.0, tick=self.tick))

    def none(self, seconds: float) -> float:
        """How likely none arrives in so many seconds."""
        return math.exp(-self.actions / self.size * seconds)

    def none_after_one(self, seconds: float) -> float:
        """The same, from the moment on when one arrived."""
        of_a_front = self.fronts * self.size / self.actions
        rest = max(of_a_front - self.tick, CLOSE)
        others = (self.fronts - 1) / of_a_front
        return math.exp(-max(0.0, seconds - self.tick) / rest - others * seconds)


def distinct(of: float, drawn: float) -> float:
    """How many different ones there are among so many that were drawn, each at random out of so many."""
    return of * touched(1 / of, drawn)


def gap(events: float, *, apart: float, tick: float) -> float:
    """Seconds from one time to the next: what comes after a rest goes at once, what then comes in a tick at its end.

    Args:
        events: A second, at random times; more than none.
        apart: But never nearer to each other than so many seconds.
        tick: Seconds.

    """
    rest = max(1 / events - apart, CLOSE)
    if tick <= apart:
        return apart + rest
    return tick + rest * math.exp(-(tick - apart) / rest)


def touched(share: float, commits: float) -> float:
    """How likely one of so many commits touches what each touches with this likelihood."""
    return 1.0 - math.pow(1.0 - share, commits)
