"""One run: a cluster, its load, and faults in an order that the seed tells."""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fluxwire import token
from fluxwire.stack.database import DRIVER_ERRORS
from fluxwire.stack.progress import say

from .cluster import Cluster
from .faults import KINDS
from .history import OK, History, Strike
from .judge import Violations, availability, judge, percentiles, recoveries
from .load import FOREIGN, Load, MakeClient, Witness

TOKEN_SECONDS = 86_400.0
CALM = 2.0
"""How long writers write before the first fault, in seconds."""
RECOVERY = 30.0
"""How long a fault may be felt before the next one comes anyway, in seconds."""
PATIENCE = 60.0
"""How long the end of a run may take, in seconds."""
BREATH = (0.2, 1.5)
"""How long to wait between two faults, in seconds."""
HASTE = 0.25
"""The share of faults that do not wait until the last one is over."""
LOOK = 0.05
"""How often to look whether it is over, in seconds."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What a run does.

    Args:
        seconds: How long faults strike.
        seed: Tells which, where, and how long.
        rooms: How many rooms there are.
        writers: How many write.
        watchers: How many only look.
        kinds: Which kinds of faults strike.

    """

    seconds: float
    seed: int
    rooms: int = 4
    writers: int = 10
    watchers: int = 10
    kinds: tuple[str, ...] = tuple(KINDS)


@dataclass(frozen=True, slots=True)
class Report:
    """What came of a run.

    Args:
        plan: What it was to do.
        history: What happened.
        violations: The verdict.
        availability: The share of windows of 100 ms in which an action was acknowledged.
        recovery: How long each fault was felt, in seconds, by kind.

    """

    plan: Plan
    history: History
    violations: Violations
    availability: float
    recovery: dict[str, list[float]]

    @property
    def acknowledged(self) -> int:
        """How many actions were acknowledged."""
        return sum(attempt.outcome == OK for attempt in self.history.attempts)

    def figures(self) -> dict[str, Any]:
        """The run as one JSON object."""
        return {
            "seed": self.plan.seed,
            "violations": self.violations.counts(),
            "faults": dict(sorted(Counter(strike.kind for strike in self.history.strikes).items())),
            "acknowledged": self.acknowledged,
            "availability": round(self.availability, 4),
            "recovery_ms": {kind: percentiles(seconds) for kind, seconds in sorted(self.recovery.items())},
        }

    def summary(self) -> str:
        """The run in a few lines."""
        figures = self.figures()
        lines = [
            *self.violations.sentences()[:20],
            f"seed          {self.plan.seed}",
            f"acknowledged  {self.acknowledged}",
            f"availability  {self.availability:.1%}",
            f"faults        {len(self.history.strikes)} of {len(figures['faults'])} kinds",
        ]
        for kind, count in figures["faults"].items():
            felt = figures["recovery_ms"].get(kind, {})
            times = f"recovered in {felt['p50']} ms (p99 {felt['p99']} ms)" if felt else "not felt to the end"
            lines.append(f"  {kind:<18} {count:>3}  {times}")
        lines.append("violations    " + ", ".join(f"{kind} {count}" for kind, count in figures["violations"].items()))
        return "\n".join(lines)


class Drill:
    """Strikes a cluster that serves, and judges what came of it.

    Args:
        cluster: The cluster; what dies in it is started again meanwhile.
        plan: What to do; two runs on one cluster need two seeds.
        witness: Makes the clients.

    """

    def __init__(self, cluster: Cluster, plan: Plan, witness: MakeClient = Witness) -> None:
        self._cluster = cluster
        self._plan = plan
        self._history = History()
        self._clock = time.monotonic
        self._rng = random.Random(plan.seed)  # noqa: S311 - repeatable, not secret
        self._writers = [f"writer-{plan.seed}-{number}" for number in range(plan.writers)]
        self._witness = witness

    async def run(self) -> Report:
        """Do what is planned."""
        key = token.read_key(Path(self._cluster.state.key_file))
        load = Load(
            urls=self._cluster.urls,
            database_url=self._cluster.state.database_url,
            sign=lambda name: token.sign(key, name, lifetime=TOKEN_SECONDS, now=time.time()),
            history=self._history,
            clock=self._clock,
            rng=random.Random(self._rng.random()),  # noqa: S311 - the same
            witness=self._witness,
        )
        rooms = [f"room-{self._plan.seed}-{number}" for number in range(self._plan.rooms)]
        try:
            await load.start(rooms=rooms, writers=self._writers, watchers=self._plan.watchers)
            began = self._clock()
            await asyncio.sleep(CALM)
            await self._strike_until(began + CALM + self._plan.seconds)
            ended = self._clock()
            await load.stop(PATIENCE)
            await load.compare(PATIENCE)
            violations = judge(self._history, await load.rows())
        finally:
            await load.close()
        return Report(
            plan=self._plan,
            history=self._history,
            violations=violations,
            availability=availability(self._history, began, ended),
            recovery=recoveries(self._history, self._writers),
        )

    async def _strike_until(self, end: float) -> None:
        kinds = _kinds(self._rng, self._plan.kinds)
        while self._clock() < end:
            if await self._strike(next(kinds)) and self._rng.random() >= HASTE:
                await self._recovered()
            await asyncio.sleep(self._rng.uniform(*BREATH))

    async def _strike(self, kind: str) -> bool:
        """Let a fault strike and heal; whether it found something to hit."""
        began = self._clock()
        try:
            target = await KINDS[kind](self._cluster, self._rng)
        except DRIVER_ERRORS:
            # What it was to hit is not there: the last fault is not over.
            return False
        strike = Strike(kind, target, began, self._clock())
        self._history.strikes.append(strike)
        say(f"{kind} {target}, {strike.healed_at - began:.1f} s")
        return True

    async def _recovered(self) -> None:
        """Wait, for a while, until all writers have something acknowledged that they send from now on."""
        since, first = self._clock(), len(self._history.attempts)
        good: set[str] = set()
        while good < set(self._writers) and self._clock() < since + RECOVERY:
            await asyncio.sleep(LOOK)
            good = {attempt.writer for attempt in self._history.attempts[first:] if attempt.outcome == OK} - {FOREIGN}


def _kinds(rng: random.Random, kinds: Sequence[str]) -> Iterator[str]:
    """Kinds of faults for ever, each as often as the others, in an order that cannot be foreseen."""
    while True:
        yield from rng.sample(kinds, k=len(kinds))
