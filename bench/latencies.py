"""How long deliveries took: what bench/native/histogram.h counted, and what it says."""

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

PANEL_BINS = 8
"""Of each doubling, where it is drawn: finer ones are noise."""


@dataclass(slots=True)
class Latencies:
    """Deliveries by how long they took, and how many never came."""

    bins: Counter[tuple[int, int]] = field(default_factory=Counter)
    """How many took from so many microseconds to less than so many."""
    missing: int = 0

    @classmethod
    def read(cls, bins: Sequence[tuple[int, int, int]], *, missing: int) -> "Latencies":
        """Take what a load generator says."""
        return cls(Counter({(begins, ends): many for begins, ends, many in bins}), missing)

    def add(self, others: "Latencies") -> None:
        """Take others in."""
        self.bins.update(others.bins)
        self.missing += others.missing

    def quantile(self, share: float) -> float:
        """The milliseconds within which a share of all deliveries came; never too few. Infinite if too few came."""
        wanted = share * (self.bins.total() + self.missing)
        came = 0
        for (_, ends), many in sorted(self.bins.items()):
            came += many
            if came >= wanted:
                return ends / 1000
        return math.inf

    def points(self) -> Iterator[tuple[float, float]]:
        """Where each bin begins, in milliseconds, and what is in it; at last where the last one ends, and 0."""
        wide: Counter[int] = Counter()
        for (begins, ends), many in self.bins.items():
            wide[math.floor(PANEL_BINS * math.log2((begins + ends) / 2000))] += many
        if not wide:
            return
        for number in range(min(wide), max(wide) + 2):
            yield 2 ** (number / PANEL_BINS), wide[number]
