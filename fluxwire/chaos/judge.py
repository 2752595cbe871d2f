"""The verdict over a history: what was lost, doubled, disordered, broken, diverged, or acknowledged too early.

Pure: it is given the history and the rows that the database ended with.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, fields
from itertools import pairwise

from .history import OK, REFUSED, Attempt, History

WINDOW = 0.1
"""Availability is the share of windows of so many seconds in which an action was acknowledged."""


@dataclass(slots=True)
class Violations:
    """Promises that were broken (docs/design.md), a sentence each.

    Args:
        lost: Acknowledged, and not in the database; or never told what became of it.
        doubled: In the database more than once, or although it was refused.
        disordered: In the database before an earlier one of the same writer.
        broken: An update that did not continue what its subscriber held.
        diverged: A subscriber whose document is not what the database renders.
        early: Acknowledged before its row was there for others.

    """

    lost: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    disordered: list[str] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)
    diverged: list[str] = field(default_factory=list)
    early: list[str] = field(default_factory=list)

    def counts(self) -> dict[str, int]:
        """How many of each kind."""
        return {each.name: len(getattr(self, each.name)) for each in fields(self)}

    def sentences(self) -> list[str]:
        """All of them, with their kind."""
        return [f"{each.name}: {sentence}" for each in fields(self) for sentence in getattr(self, each.name)]


def judge(history: History, rows: Iterable[tuple[str, int]]) -> Violations:
    """Judge a run that has come to rest.

    Args:
        history: What was tried, told and seen.
        rows: Writer and place of every message in the database, in the order in which they were committed.

    """
    violations = Violations(broken=list(history.breaks), diverged=list(history.divergences))
    places: dict[str, list[int]] = defaultdict(list)
    for writer, place in rows:
        places[writer].append(place)
    present = {writer: Counter(of_writer) for writer, of_writer in places.items()}
    for attempt in history.attempts:
        _judge_attempt(attempt, present.get(attempt.writer, Counter())[attempt.place], violations)
    for writer, of_writer in places.items():
        for before, after in pairwise(of_writer):
            if after < before:
                violations.disordered.append(f"{after} of {writer} after its {before}")
    return violations


def _judge_attempt(attempt: Attempt, count: int, violations: Violations) -> None:
    what = f"{attempt.place} of {attempt.writer}"
    if attempt.outcome is None:
        violations.lost.append(f"{what} has no outcome")
    elif attempt.outcome == OK and not count:
        violations.lost.append(f"{what} was acknowledged")
    if attempt.outcome == REFUSED and count:
        violations.doubled.append(f"{what} was refused ({attempt.code}), and is there")
    elif count > 1:
        violations.doubled.append(f"{what} is there {count} times")
    if attempt.outcome == OK and not attempt.seen:
        violations.early.append(f"{what} was acknowledged before it was there")


def availability(history: History, began_at: float, ended_at: float) -> float:
    """The share of windows of 100 ms in which an action was acknowledged.

    Args:
        history: The run.
        began_at: When writers began, in seconds.
        ended_at: When they ended.

    """
    windows = max(1, math.floor((ended_at - began_at) / WINDOW))
    good = {
        math.floor((attempt.settled_at - began_at) / WINDOW)
        for attempt in history.attempts
        if attempt.outcome == OK and attempt.settled_at is not None
    }
    return len(good & set(range(windows))) / windows


def recoveries(history: History, writers: Sequence[str]) -> dict[str, list[float]]:
    """How long each fault was felt, in seconds, by kind.

    That is from its beginning until each of the writers had an action acknowledged that it dispatched after the
    beginning; a fault that somebody did not live to see the end of is left out.
    """
    found: dict[str, list[float]] = defaultdict(list)
    for strike in history.strikes:
        firsts: dict[str, float] = {}
        for attempt in history.attempts:
            if attempt.outcome == OK and attempt.settled_at is not None and attempt.sent_at >= strike.began_at:
                settled = min(attempt.settled_at, firsts.get(attempt.writer, math.inf))
                firsts[attempt.writer] = settled
        if firsts.keys() >= set(writers):
            found[strike.kind].append(max(firsts[writer] for writer in writers) - strike.began_at)
    return dict(found)


def percentiles(seconds: Sequence[float]) -> dict[str, int]:
    """The median and the 99th percentile, in whole milliseconds."""
    ordered = sorted(seconds)
    return {name: round(ordered[math.ceil(share * len(ordered)) - 1] * 1000) for name, share in QUANTILES.items()}


QUANTILES = {"p50": 0.5, "p99": 0.99}
