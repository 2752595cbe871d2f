"""``bench soak``: many clients on two fronts for a long time, who come, go and change rooms, while some write.

What is held is held by load generators in C. Beside them writers and watchers whose every frame is judged, those of
``fluxwire chaos``: nothing may be lost, doubled, disordered, broken, diverged or acknowledged too early, and no
process may grow.
"""

import asyncio
import random
import statistics
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from fluxwire.chaos.history import OK, History
from fluxwire.chaos.judge import Violations, judge
from fluxwire.chaos.load import Load

from .database import Cluster, cluster, execute
from .figures import Curve, Figure, alone
from .harness import Options
from .processes import Broken, Process, compiled, running
from .sessions import packed, request, text
from .stack import Stack, stack

FRONTS, ROOMS = 2, 100
DAY = 86_400.0  # seconds
FRAMES = 3
"""A client is there when it has been welcomed, is subscribed, and has the snapshot."""
FLIGHT = 64
PATIENCE = 60.0
"""How long the end may take, in seconds."""
MAKE_ROOMS = "insert into chat.room select 'r' || i, 'r' || i, 'x', now() from generate_series(0, 99) as i"


@dataclass(frozen=True, slots=True)
class Plan:
    """How much is done."""

    clients: int
    seconds: float
    samples: int
    """How often memory and processor time are looked at."""
    churn: float
    """Times a second that somebody leaves and comes back, or changes rooms."""
    writers: int
    watchers: int
    pause: float
    """How long a writer thinks between two actions at most, in seconds."""


FULL = Plan(clients=19_000, seconds=1800.0, samples=90, churn=60.0, writers=25, watchers=20, pause=1.0)
QUICK = Plan(clients=1_000, seconds=10.0, samples=10, churn=40.0, writers=5, watchers=5, pause=0.4)


@dataclass(slots=True)
class Taken:
    """What was seen on the way, by process."""

    memory: dict[str, list[tuple[float, float]]] = field(default_factory=lambda: defaultdict(list))
    """Minutes since the beginning, and MB."""
    cores: dict[str, list[tuple[float, float]]] = field(default_factory=lambda: defaultdict(list))
    """Minutes since the beginning, and how much of a core."""
    left: int = 0
    moved: int = 0
    dropped: int = 0
    deliveries: int = 0
    history: History = field(default_factory=History)
    violations: Violations = field(default_factory=Violations)


def run(options: Options) -> Iterator[Figure]:
    """Measure."""
    plan = QUICK if options.quick else FULL
    seconds = options.seconds or plan.seconds
    taken = _soak(plan, seconds, options)
    for sentence in taken.violations.sentences():
        options.say(f"  {sentence}")
    acknowledged = sum(attempt.outcome == OK for attempt in taken.history.attempts)
    options.say(
        f"  {plan.clients} clients, {seconds:.0f} s: {taken.left} left and came back, {taken.moved} changed rooms,"
        f" {acknowledged} actions judged, {taken.deliveries / seconds:,.0f} deliveries a second"
    )
    faults = sum(taken.violations.counts().values())
    cores = [Curve(name, "minutes", "of a core", course) for name, course in taken.cores.items()]
    yield alone("soak.faults", [faults], "promises broken", "<= 0")
    yield alone("soak.dropped", [taken.dropped], "connections", "<= 0")
    yield alone("soak.judged", [acknowledged], "actions")
    yield alone("soak.deliveries", [taken.deliveries / seconds], "a second", curves=cores)
    for name, course in taken.memory.items():
        curves = [Curve(name, "minutes", "MB", course)]
        yield alone(f"soak.growth.{name.replace(' ', '_')}", [growth(course)], "x", "<= 1.05", curves=curves)


def growth(course: Sequence[tuple[float, float]]) -> float:
    """How many times what was held in the middle is held at the end.

    The first half fills what has a bound: rings of patches, plans, and the stream of updates, whose ten thousand
    entries take a quarter of an hour at this rate. So it is the last sixth, on average, beside the fourth one.

    Args:
        course: Time and what was held, evenly spaced.

    """
    values = [value for _, value in course]
    sixth = max(1, len(values) // 6)
    return statistics.mean(values[-sixth:]) / statistics.mean(values[3 * sixth : 4 * sixth])


def _soak(plan: Plan, seconds: float, options: Options) -> Taken:
    with ExitStack() as up:
        folder = Path(up.enter_context(tempfile.TemporaryDirectory(prefix="fluxwire-bench-")))
        servers: Cluster = up.enter_context(cluster())
        url = servers.database()
        execute(url, MAKE_ROOMS)
        whole = up.enter_context(stack(servers, url, folder, fronts=FRONTS))
        crowds = [up.enter_context(running([compiled("load"), str(port)], core=None)) for port in whole.ports]
        for number, crowd in enumerate(crowds):
            sessions = folder / f"sessions-{number}"
            sessions.write_bytes(_sessions(whole, number, plan.clients // FRONTS))
            crowd.order(f"sessions {sessions}")
            answer = crowd.order(f"open {plan.clients // FRONTS} {FLIGHT} {FRAMES}")
            if answer["opened"] != plan.clients // FRONTS:
                raise Broken(f"clients of front {number}: {answer}")
        options.say(f"  {plan.clients} clients are there")
        return asyncio.run(_Soak(plan, seconds, options, whole, crowds).run(url))


def _sessions(whole: Stack, front: int, count: int) -> bytes:
    """What each client says; every one is another actor."""
    records = [request("/ws")]
    for number in range(count):
        actor = whole.gate.sign(f"actor {front} {number}", now=time.time(), lifetime=DAY)
        store = f'{{"id":1,"name":"room","params":{{"room":"r{number % ROOMS}"}}}}'
        records.append(
            text(f'{{"type":"hello","protocols":[1],"token":"{actor}","client":"{front:08x}{number:08x}"}}')
            + text(f'{{"type":"subscribe","stores":[{store}]}}')
        )
    return packed(records)


class _Soak:
    def __init__(self, plan: Plan, seconds: float, options: Options, whole: Stack, crowds: Sequence[Process]) -> None:
        self._plan = plan
        self._seconds = seconds
        self._say = options.say
        self._whole = whole
        self._crowds = crowds
        self._taken = Taken()

    async def run(self, url: str) -> Taken:
        taken = self._taken
        judged = Load(
            urls=[f"ws://127.0.0.1:{port}/ws" for port in self._whole.ports],
            database_url=url,
            sign=lambda name: self._whole.gate.sign(name, now=time.time(), lifetime=DAY),
            history=taken.history,
            clock=time.monotonic,
            rng=random.Random(1),  # noqa: S311 -- repeatable, not secret
            pause=self._plan.pause,
        )
        try:
            writers = [f"writer-{number}" for number in range(self._plan.writers)]
            await judged.start(
                rooms=[f"r{number}" for number in range(ROOMS)], writers=writers, watchers=self._plan.watchers
            )
            await self._hold()
            await judged.stop(PATIENCE)
            await judged.compare(PATIENCE)
            taken.violations = judge(taken.history, await judged.rows())
        finally:
            await judged.close()
        return taken

    async def _hold(self) -> None:
        began = now = time.monotonic()
        costs = self._whole.costs()
        step = self._seconds / self._plan.samples
        while now - began < self._seconds:
            order = f"churn {step} {self._plan.churn / len(self._crowds)} {FRAMES} {ROOMS}"
            answers = await asyncio.gather(*(asyncio.to_thread(crowd.order, order) for crowd in self._crowds))
            before, now, costs_before, costs = now, time.monotonic(), costs, self._whole.costs()
            minutes = (now - began) / 60
            for name, used in self._whole.memory().items():
                self._taken.memory[name].append((minutes, used / 2**20))
                self._taken.cores[name].append((minutes, (costs[name] - costs_before[name]) / (now - before)))
            for answer in answers:
                self._taken.left += answer["left"]
                self._taken.moved += answer["moved"]
                self._taken.dropped += answer["dropped"]
                self._taken.deliveries += answer["frames"]
            each = ", ".join(f"{name} {course[-1][1]:.1f}" for name, course in self._taken.memory.items())
            self._say(f"  {minutes:.1f} min, MB: {each}")
