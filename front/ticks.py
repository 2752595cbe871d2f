"""When things are done: a wheel by which one timer sweeps all deadlines, and the rest between writes to clients.

No clock is read here; time comes in as an argument, in seconds.
"""

from typing import Generic, Protocol, TypeVar

SLOT = 1.0
"""Width of a slot, in seconds: how late a deadline may be noticed."""

SLOTS = 64
"""A deadline further away than the wheel's turn is looked at once per turn."""

EARNED_IN = 0.001
"""Writing for so many seconds earns a rest of a whole tick, and less its share."""


class Timed(Protocol):
    """What can be put on a wheel; ``slot`` is the wheel's own, and None while it is not on it."""

    slot: int | None


T = TypeVar("T", bound=Timed)


class Wheel(Generic[T]):
    """Items by the time at which they want to be looked at.

    Args:
        now: The time at which it starts turning.

    """

    __slots__ = ("_slots", "_turned_to")

    def __init__(self, now: float) -> None:
        self._slots: list[set[T]] = [set() for _ in range(SLOTS)]
        self._turned_to = int(now / SLOT)

    def put(self, item: T, at: float) -> None:
        """Look at an item at a time, and no longer at the time it was put to before."""
        if item.slot is not None:
            self._slots[item.slot].discard(item)
        tick = int(at / SLOT) + 1
        if tick <= self._turned_to:
            # Never in the slot that was just swept: it comes round only after a whole turn.
            tick = self._turned_to + 1
        elif tick >= self._turned_to + SLOTS:
            tick = self._turned_to + SLOTS - 1
        slot = item.slot = tick % SLOTS
        self._slots[slot].add(item)

    def remove(self, item: T) -> None:
        """Forget an item, if it is there."""
        if item.slot is not None:
            self._slots[item.slot].discard(item)
            item.slot = None

    def turn(self, now: float) -> list[T]:
        """Turn the wheel to a time; the items to be looked at, taken off. Put back those that are still wanted."""
        due: list[T] = []
        target = int(now / SLOT)
        for tick in range(max(self._turned_to, target - SLOTS) + 1, target + 1):
            slot = self._slots[tick % SLOTS]
            due.extend(slot)
            slot.clear()
        self._turned_to = max(self._turned_to, target)
        for item in due:
            item.slot = None
        return due


class Rest:
    """How long what is there for clients gathers after a write: the longer, the more that write took.

    Most is gained by joining where thousands are written to. Where it was one outcome, the update that follows it
    within a millisecond need not wait.

    Args:
        tick: The longest rest, in seconds.

    """

    __slots__ = ("_ends", "_tick")

    def __init__(self, tick: float) -> None:
        self._tick = tick
        self._ends = float("-inf")

    def wrote(self, began: float, ended: float) -> None:
        """Something was written; it counts from its beginning, so that writes are a tick apart, and not more."""
        self._ends = began + self._tick * min(1.0, (ended - began) / EARNED_IN)

    def left(self, now: float) -> float:
        """How long to rest still; 0: not at all."""
        return max(0.0, self._ends - now)
