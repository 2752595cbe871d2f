"""When messages come in a chat, and how long they are: the pattern of real rooms in a few numbers, sped up at will.

Fitted to 153 excerpts of the public #ubuntu channel, a day each, 2004 to 2018, 196,598 messages (the corpus of
Kummerfeld et al., 2019). A room has its own mean rate. How lively it is goes up and down about that: the number of
messages a minute has the variance of a Poisson process whose rate varies by a gamma distribution, and how much of that
one minute has in common with the next falls by the same factor each minute. Within a minute nothing is known.
"""

import itertools
import math
import random
from collections.abc import Sequence
from dataclasses import dataclass

RATES = (
    *(0.675, 1.16, 1.48, 1.86, 2.36, 2.75, 3.47, 3.91, 4.25, 5.14, 5.79, 6.23),
    *(6.43, 6.69, 7.18, 8.07, 8.8, 9.26, 9.87, 10.9, 17.7),
)
"""Messages a minute of rooms, quantiles at even steps."""
LIVELINESS_VARIANCE = 0.283
"""Of the rate of one minute to its room's mean."""
PERSISTENCE = 0.826
"""The part of that which the next minute has in common with this one."""
LENGTHS = (0, 4, 9, 14, 18, 22, 26, 30, 34, 39, 43, 48, 54, 60, 67, 76, 87, 102, 125, 167, 469)
"""Bytes of messages, quantiles at even steps."""
MINUTE = 60.0  # seconds


@dataclass(frozen=True, slots=True)
class Arrival:
    """A message to come."""

    due: float
    """Seconds from the beginning."""
    room: int
    length: int
    """Bytes of its text."""


def arrivals(rooms: int, rate: float, seconds: float, chance: random.Random) -> list[Arrival]:
    """Draw what comes for a while: as many messages as asked for, spread over rooms and time as in the trace.

    Args:
        rooms: How many there are.
        rate: Messages a second in all of them.
        seconds: For how long.
        chance: What decides.

    Returns:
        By the time they are due.

    """
    means = [quantile(RATES, (room + 0.5) / rooms) for room in range(rooms)]
    chance.shuffle(means)
    speed = rate / (sum(means) / MINUTE)
    minutes = math.ceil(seconds * speed / MINUTE)
    lively = [[mean * level for level in liveliness(minutes, chance)] for mean in means]
    # The last minute may not be a whole one.
    last = seconds * speed / MINUTE - (minutes - 1)
    for levels in lively:
        levels[-1] *= last
    weights = list(itertools.accumulate(itertools.chain.from_iterable(lively)))
    cells = chance.choices(range(rooms * minutes), cum_weights=weights, k=round(rate * seconds))
    drawn = []
    for room, minute in (divmod(cell, minutes) for cell in cells):
        share = chance.random() * (last if minute == minutes - 1 else 1.0)
        drawn.append(Arrival((minute + share) * MINUTE / speed, room, round(quantile(LENGTHS, chance.random()))))
    return sorted(drawn, key=lambda arrival: arrival.due)


def liveliness(minutes: int, chance: random.Random) -> list[float]:
    """How lively a room is, minute after minute; 1 in the mean."""
    levels: list[float] = []
    for _ in range(minutes):
        if not levels or chance.random() >= PERSISTENCE:
            levels.append(chance.gammavariate(1 / LIVELINESS_VARIANCE, LIVELINESS_VARIANCE))
        else:
            levels.append(levels[-1])
    return levels


def quantile(table: Sequence[float], share: float) -> float:
    """The value below which a share of all lie.

    Args:
        table: Quantiles at even steps, from the least to the largest.
        share: From 0 to 1.

    """
    place = share * (len(table) - 1)
    below = min(int(place), len(table) - 2)
    return table[below] + (place - below) * (table[below + 1] - table[below])
