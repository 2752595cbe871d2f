"""What a process tells of itself, in the text format of Prometheus (docs/operations.md, Metrics).

Counting is adding to a number: no locks and no registry, since each process has one thread that counts. What can be
looked up is looked up when somebody asks.
"""

from __future__ import annotations

import os
import time
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

PREFIX = "fluxwire_"

MOST_CODES = 200
"""Codes told apart at most: an application makes its own."""

OTHER = "other"

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Upper bounds of the buckets of whatever takes time, in seconds."""

_STARTED_AT = time.time()

Samples = Iterable[tuple[Mapping[str, str], float]]


class Histogram:
    """How often something was at most so much.

    Args:
        bounds: Upper bounds of the buckets, in order.

    """

    __slots__ = ("_bounds", "_counts", "_sum")

    def __init__(self, bounds: tuple[float, ...] = SECONDS) -> None:
        self._bounds = bounds
        self._counts = [0] * (len(bounds) + 1)
        self._sum = 0.0

    def observe(self, value: float) -> None:
        """It was so much."""
        self._counts[bisect_left(self._bounds, value)] += 1
        self._sum += value

    def samples(self) -> Iterable[tuple[str, Mapping[str, str], float]]:
        """The samples: what follows the metric's name, labels, and value."""
        total = 0
        for bound, count in zip((*map(str, self._bounds), "+Inf"), self._counts, strict=True):
            total += count
            yield "_bucket", {"le": bound}, total
        yield "_sum", {}, self._sum
        yield "_count", {}, total


class Codes(Counter[str]):
    """How often each code came; beyond so many the rest is counted together."""

    def note(self, code: str) -> None:
        """It came once more."""
        self[code if code in self or len(self) < MOST_CODES else OTHER] += 1


class Page:
    """The page that a process answers with."""

    def __init__(self) -> None:
        self._lines: list[str] = []

    def add(self, name: str, kind: str, about: str, samples: Samples | float) -> None:
        """Add a metric.

        Args:
            name: Its name, without the prefix.
            kind: ``gauge`` or ``counter``.
            about: What it is, in a sentence.
            samples: Its values with their labels; a number is one without.

        """
        self._add(PREFIX + name, kind, about, [({}, samples)] if isinstance(samples, int | float) else samples)

    def add_histogram(self, name: str, about: str, histogram: Histogram) -> None:
        """Add a histogram; see :meth:`add`."""
        self._header(PREFIX + name, "histogram", about)
        for suffix, labels, value in histogram.samples():
            self._sample(f"{PREFIX}{name}{suffix}", labels, value)

    def text(self) -> str:
        """The page, with what every program of any kind tells of itself, by the names that all use."""
        self._add("process_cpu_seconds_total", "counter", "Processor time used.", _one(time.process_time()))
        self._add("process_start_time_seconds", "gauge", "When it was started, since 1970.", _one(_STARTED_AT))
        with suppress(OSError):  # Linux alone tells
            files = sum(1 for _ in Path("/proc/self/fd").iterdir())
            memory = int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
            self._add("process_open_fds", "gauge", "Files and sockets open.", _one(files))
            self._add("process_max_fds", "gauge", "As many as may be.", _one(os.sysconf("SC_OPEN_MAX")))
            self._add("process_resident_memory_bytes", "gauge", "Memory used.", _one(memory))
        return "\n".join(self._lines) + "\n"

    def _header(self, name: str, kind: str, about: str) -> None:
        self._lines += [f"# HELP {name} {about}", f"# TYPE {name} {kind}"]

    def _sample(self, name: str, labels: Mapping[str, str], value: float) -> None:
        inside = ",".join(f'{label}="{_escaped(text)}"' for label, text in labels.items())
        self._lines.append(f"{name}{{{inside}}} {value}" if inside else f"{name} {value}")

    def _add(self, name: str, kind: str, about: str, samples: Samples) -> None:
        self._header(name, kind, about)
        for labels, value in samples:
            self._sample(name, labels, value)


def by(label: str, counts: Mapping[str, int] | Mapping[int, int]) -> Samples:
    """Samples told apart by one label."""
    return [({label: str(value)}, count) for value, count in counts.items()]


def _one(value: float) -> Samples:
    return [({}, value)]


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
