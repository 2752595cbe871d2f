"""``bench chat``: a whole chat, beside the same chat on what else one would build it with.

50 rooms of 200 clients. Messages come as in a real chat (bench/arrivals.py), sped up until 1 in 100 deliveries takes
longer than 100 ms: the highest rate at which it does not is what a contender holds. Then all are compared at one rate
that all of them hold. A delivery is one message at one client, all counted; its latency runs from when the message was
due to be sent, however late it was sent. Every message reaches every client of its room exactly once, or there is no
figure.

The clients are one C program (bench/native/chat.c) on the last core, before all others; everything else goes where the
kernel puts it.
"""

import contextlib
import itertools
import json
import math
import random
import statistics
import struct
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from .arrivals import arrivals
from .chats import CHATS, Chat, Missing
from .database import cluster, settle_disk
from .figures import Curve, Figure, alone, compared
from .harness import Options
from .latencies import Latencies
from .machine import stolen
from .processes import LOAD_CORE, Broken, Process, compiled, family, private, running
from .sessions import packed
from .wires import Size

OURS = "fluxwire"
COMMON = 0.8
"""At which part of the least rate that is held all are compared."""
SLOWEST = 2
"""Messages a second below which nobody is looked for."""
SEEDS, WARM_UP = 10_000, 20_000
"""From here on, patterns of arrival that all get; the searches' are below."""
DISTURBED, PATIENCE = 0.02, 2
"""What part of the cores' time others may get before a try says nothing and is made anew, and how often at most."""
FLIGHT = 64  # connections being opened at a time
MARK = "#{:08d}"
STRUCT = struct.Struct("<dIIII")
TARGETS = {"socketio": 1.5, "ws": 1.0, "nchan": 1.0, "websockets": 1.0, "centrifugo": 1.0}
"""How many times as much we are to hold as each."""
CONNECTIONS = {"max_connections": "300"}
"""Of Postgres, for whose pools all contenders are up at a time."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How much is done."""

    size: Size
    rounds: int
    warm: float
    """Seconds of each try that do not count."""
    seconds: float
    """Of each try that do."""
    wait: float
    """Seconds for which what has not come after a try is waited for."""
    begin: float
    """Messages a second of the first try."""
    stride: float
    """By what the rate of a round's tries is multiplied until one is not held."""
    step: float
    """How near to each other a rate that is held and one that is not have to be."""
    tries: int
    """Of a contender in a round, at most; more if it has held none yet."""
    chances: int
    """Tries in which a rate has to be missed to be one that is not held."""
    limit: float
    """Milliseconds within which 99 of 100 deliveries have to come."""
    searched: tuple[str, ...]
    """Whose highest rate is searched for; the others are only tried at the common one."""


FULL = Plan(Size(50, 10_000), 3, 1.0, 4.0, 10.0, 150.0, 1.5, 1.1, 9, 2, 100.0, tuple(CHATS))
QUICK = Plan(Size(5, 100), 1, 0.3, 1.0, 5.0, 100.0, 2.0, 1.2, 2, 1, 2000.0, (OURS, "socketio"))


def run(options: Options) -> Iterator[Figure]:
    """Measure what is wanted: all contenders, or ours and those that figures are asked for by."""
    plan = QUICK if options.quick else FULL
    wanted = [name for name in CHATS if name == OURS or options.wants(*_named_by(name))]
    with contextlib.ExitStack() as up:
        servers = up.enter_context(cluster(CONNECTIONS))
        folder = Path(up.enter_context(tempfile.TemporaryDirectory(prefix="fluxwire-bench-")))
        folder.chmod(0o755)
        sides: dict[str, Side] = {}
        for name in wanted:
            place = folder / name
            place.mkdir()
            try:
                chat = up.enter_context(CHATS[name](servers, place, plan.size))
            except Missing as missing:
                options.say(f"  {missing}: chat.vs_{name} is left out")
                continue
            ports = [str(port) for port in chat.ports]
            load = up.enter_context(running([compiled("chat"), str(plan.size.rooms), *ports], core=LOAD_CORE))
            sides[name] = Side(chat=chat, load=load, folder=place, plan=plan, postgres=servers.pid)
        settle_disk()
        options.say(f"  the clients' priority: {next(iter(sides.values())).priority}")
        for figure in _Bench(plan, options, sides).measure():
            if options.wants(figure.name):
                yield figure


def _named_by(name: str) -> list[str]:
    return [f"chat.{what}vs_{name}" for what in ("", "p99_ms.", "cpu_us_per_delivery.", "memory_mb.")]


@dataclass(frozen=True, slots=True)
class Try:
    """What came of one rate."""

    rate: float
    latencies: Latencies
    cpu: dict[str, float]
    """Microseconds of processor time a delivery, by process, Postgres among them."""
    load: float
    """How busy the clients were, of a core."""
    late: float
    """Which part of the messages was sent more than 10 ms late."""
    faults: tuple[str, ...]
    """What must not happen, however many messages come."""
    stolen: float
    """Which part of the cores' time the machine's host gave to others meanwhile."""

    @property
    def p99(self) -> float:
        """The 99th percentile of latency, in milliseconds; infinite if more than one in a hundred never came."""
        return self.latencies.quantile(0.99)

    def __str__(self) -> str:
        parts = ", ".join(f"{name} {used:.2f}" for name, used in self.cpu.items())
        return (
            f"{self.rate:,.0f}/s: p50 {self.latencies.quantile(0.5):.1f} ms, p99 {self.p99:.1f},"
            f" {sum(self.cpu.values()):.2f} us a delivery ({parts}), clients {self.load:.0%} of a core"
            + (f", {self.late:.1%} sent late" if self.late else "")
            + (f", {self.stolen:.1%} of the cores taken away" if self.stolen >= DISTURBED else "")
            + (f"; {', '.join(self.faults)}" if self.faults else "")
        )


class Side:
    """A contender with its clients."""

    def __init__(self, *, chat: Chat, load: Process, folder: Path, plan: Plan, postgres: int) -> None:
        self.called = chat.called
        self.priority: str = json.loads(load.line())["priority"]
        self._chat = chat
        self._load = load
        self._folder = folder
        self._plan = plan
        self._postgres = postgres
        self._numbers = itertools.count()
        self.open()

    def open(self) -> None:
        """Connect all clients, anew if they were."""
        self._load.order("cut")
        wire, clients = self._chat.wire, self._plan.size.clients
        sessions = self._folder / "sessions"
        sessions.write_bytes(packed(itertools.chain.from_iterable(wire.opening(client) for client in range(clients))))
        self._load.order(f"sessions {sessions}")
        answer = self._load.order(f"open {clients} {FLIGHT} {wire.greetings}")
        if answer["opened"] != clients:
            raise Broken(f"{self.called}: {answer}")

    def try_out(self, rate: float, seed: int) -> Try:
        """Have messages come, and see.

        Args:
            rate: Messages a second.
            seed: Of when they come; the same for all contenders that are compared by it.

        """
        plan = self._plan
        path = self._folder / "play"
        path.write_bytes(b"".join(self._messages(rate, random.Random(seed))))  # noqa: S311 -- the same every time
        before, busy, taken = self._costs(), self._load.cost().ran, stolen()
        answer = self._load.order(f"play {path} {plan.warm} {plan.wait}")
        used = {name: cost - before[name] for name, cost in self._costs().items()}
        result = Try(
            rate=answer["messages"] / (plan.warm + plan.seconds),
            latencies=Latencies.read(answer["histogram"], missing=answer["wanted"] - answer["counted"]),
            cpu={name: 1e6 * cost / max(1, answer["delivered"]) for name, cost in used.items()},
            load=(self._load.cost().ran - busy) / answer["seconds"],
            late=answer["late"] / answer["messages"],
            faults=tuple(
                f"{many} {what}"
                for what, many in (
                    ("never came", answer["expected"] - answer["delivered"]),
                    ("came twice", answer["twice"]),
                    ("came to somebody else", answer["astray"]),
                    ("connections ended", answer["ended"]),
                )
                if many
            ),
            stolen=(stolen() - taken) / answer["seconds"],
        )
        if result.faults:
            self.open()
        return result

    def memory(self) -> float:
        """Megabytes that its processes have for themselves with all their clients; Postgres is not counted."""
        return sum(private(pid) for name, pid in self._chat.pids.items() if name != "postgres") / 1e6

    def _messages(self, rate: float, chance: random.Random) -> Iterator[bytes]:
        plan, wire = self._plan, self._chat.wire
        places = [itertools.count() for _ in range(plan.size.rooms)]
        for arrival in arrivals(plan.size.rooms, rate, plan.warm + plan.seconds, chance):
            room = arrival.room
            sender = room + plan.size.rooms * chance.randrange(plan.size.clients // plan.size.rooms)
            number = next(self._numbers)
            said = wire.post(sender, MARK.format(number).ljust(arrival.length, "."))
            yield STRUCT.pack(arrival.due, sender, number, next(places[room]), len(said)) + said

    def _costs(self) -> dict[str, float]:
        pids = {**self._chat.pids, "postgres": self._postgres}
        return {name: family(pid) for name, pid in pids.items()}


@dataclass(slots=True)
class _Found:
    """What was found out about a contender."""

    rates: list[float] = field(default_factory=list)
    """The highest it held, one a round."""
    tries: list[Try] = field(default_factory=list)
    """Of the searches."""
    common: list[Try] = field(default_factory=list)
    """At the rate that all hold, one a round."""
    memory: float = 0.0  # MB


class _Failed(Exception):
    """A contender does not do what it is there for; the text says what."""


class _Bench:
    def __init__(self, plan: Plan, options: Options, sides: Mapping[str, Side]) -> None:
        self._plan = plan
        self._say = options.say
        self._sides = dict(sides)
        self._found = {name: _Found() for name in sides}

    def measure(self) -> Iterator[Figure]:
        """Search, compare, and tell."""
        plan = self._plan
        # Whoever comes first would pay for what all of them left behind when they came up.
        for name in self._there_and_back(0):
            with self._judging(name):
                self._try(name, plan.begin, WARM_UP)
        for number in range(plan.rounds):
            for name in self._there_and_back(number):
                if name in plan.searched:
                    with self._judging(name):
                        self._found[name].rates.append(self._search(name))
        rate = COMMON * min(statistics.median(found.rates) for found in self._found.values() if found.rates)
        self._say(f"  all at {rate:,.0f} messages/s:")
        for number in range(plan.rounds):
            for name in self._there_and_back(number):
                with self._judging(name):
                    self._found[name].common.append(self._try(name, rate, SEEDS + number))
        for name, side in self._sides.items():
            self._found[name].memory = side.memory()
        yield from self._figures()

    def _there_and_back(self, number: int) -> list[str]:
        """Who comes when in a round, so that what drifts favours nobody."""
        return list(self._sides) if number % 2 == 0 else list(reversed(self._sides))

    @contextmanager
    def _judging(self, name: str) -> Iterator[None]:
        """Leave out a peer that fails; if it is ours, there are no figures."""
        try:
            yield
        except _Failed as failed:
            called = self._sides[name].called
            if name == OURS:
                raise Broken(f"{called} {failed}") from failed
            self._say(f"  {called} {failed}, and is left out")
            del self._sides[name], self._found[name]

    def _search(self, name: str) -> float:
        """The highest rate that a contender holds, of those that were tried."""
        plan, before = self._plan, self._found[name].rates
        rate = before[-1] if before else plan.begin
        held, beyond = 0.0, math.inf
        for number in itertools.count():
            if (held and number >= plan.tries) or rate < SLOWEST:
                break
            # Whom a neighbour disturbed gets another chance.
            if any(self._holds(name, rate, 100 * len(before) + 2 * number + chance) for chance in range(plan.chances)):
                held = max(held, rate)
            else:
                beyond = min(beyond, rate)
            if beyond == math.inf:
                rate *= plan.stride
            elif not held:
                rate /= plan.stride
            elif beyond > plan.step * held * 1.001:
                rate = math.sqrt(held * beyond)
            else:
                break
        if not held:
            raise _Failed(f"does not even hold {SLOWEST} messages a second")
        return held

    def _holds(self, name: str, rate: float, seed: int) -> bool:
        result = self._try(name, rate, seed)
        self._found[name].tries.append(result)
        return result.p99 <= self._plan.limit and not result.faults

    def _try(self, name: str, rate: float, seed: int) -> Try:
        side = self._sides[name]
        for _ in range(PATIENCE):
            result = side.try_out(rate, seed)
            self._say(f"  {side.called}, {result}")
            if result.stolen < DISTURBED:
                break
        if result.faults and result.p99 <= self._plan.limit:
            raise _Failed(f"does not bring everything once: {', '.join(result.faults)}")
        return result

    def _figures(self) -> Iterator[Figure]:
        ours = self._found[OURS]
        peers = {name: found for name, found in self._found.items() if name != OURS}
        load = max(result.load for found in self._found.values() for result in found.tries)

        def figure(name: str, values: Sequence[float], unit: str, curves: Sequence[Curve] = ()) -> Figure:
            return msgspec.structs.replace(alone(name, values, unit, curves=curves), load=load)

        yield figure("chat.rate", ours.rates, "messages/s", self._curves(_by_rate))
        for name, peer in peers.items():
            if peer.rates:
                yield compared(
                    f"chat.vs_{name}",
                    ours.rates,
                    "messages/s",
                    peer=self._sides[name].called,
                    peers=peer.rates,
                    target=f">= {TARGETS[name]}",
                )
        for what, unit, measure in (
            ("p99_ms", "ms", _p99s),
            ("cpu_us_per_delivery", "us", _cpus),
            ("memory_mb", "MB", _memories),
        ):
            curves = self._curves(_histogram) if what == "p99_ms" else ()
            yield alone(f"chat.{what}", measure(ours), unit, curves=curves)
            for name, peer in peers.items():
                called = self._sides[name].called
                yield compared(
                    f"chat.{what}.vs_{name}", measure(ours), unit, peer=called, peers=measure(peer), target="<= 1"
                )

    def _curves(self, points: Callable[[str, _Found], Curve]) -> list[Curve]:
        curves = [points(self._sides[name].called, found) for name, found in self._found.items()]
        # Whose highest rate is not searched for has none of them.
        return [curve for curve in curves if curve.points]


def _p99s(found: _Found) -> list[float]:
    return [result.p99 for result in found.common]


def _cpus(found: _Found) -> list[float]:
    return [sum(result.cpu.values()) for result in found.common]


def _memories(found: _Found) -> list[float]:
    return [found.memory]


def _by_rate(called: str, found: _Found) -> Curve:
    """What became of the slowest deliveries as more messages came."""
    points = sorted((result.rate, result.p99) for result in found.tries if result.p99 < math.inf)
    return Curve(called, "messages/s", "p99 of delivery, ms", points, log="y", drawn="points")


def _histogram(called: str, found: _Found) -> Curve:
    """How long deliveries took at the rate that all hold."""
    together = Latencies()
    for result in found.common:
        together.add(result.latencies)
    return Curve(called, "latency, ms", "deliveries", list(together.points()), log="x", drawn="histogram")
