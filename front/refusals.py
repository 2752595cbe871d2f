"""What a front refused, counted by code; the log hears of it now and then, however much it is."""

from collections import Counter

EVERY = 10.0
"""Seconds between two lines of the log."""


class Refusals:
    """Counts refusals by close code (docs/protocol.md §6) or status of HTTP."""

    def __init__(self) -> None:
        self.counts: Counter[int] = Counter()
        """Since the start."""
        self._told: Counter[int] = Counter()
        self._tell_at = 0.0

    def note(self, code: int) -> None:
        """Something was refused with this code."""
        self.counts[code] += 1

    def line(self, now: float) -> str | None:
        """What is to be logged now, if anything is: how many of each code since the last time."""
        if now < self._tell_at or self.counts == self._told:
            return None
        self._tell_at = now + EVERY
        new, self._told = self.counts - self._told, self.counts.copy()
        return "refused: " + ", ".join(f"{count} with {code}" for code, count in sorted(new.items()))
