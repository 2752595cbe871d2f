"""The front's figures: a real front beside a C loop of send(), node writing ready frames, and Socket.IO 4.

All servers are up with all their connections, on one core, and take short turns under the same load generator on
another; what is counted is deliveries per second of the server's processor time, so that what others do on the machine
disturbs less. What may be disturbed all the same is told: how long the server waited for its core.
"""

import contextlib
import itertools
import json
import mmap
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from fluxwire.stack.ports import free_port
from front.frames import websocket_frame
from front.gates import TokenGate

from .figures import Figure, alone, compared, watched
from .harness import Options
from .processes import HERE, LOAD_CORE, SERVER_CORE, Broken, Process, compiled, running
from .served import ASK_COLLECTION, ASK_RENDERS, EPOCH, FIRST_VERSION, KEY, NEXT_STORE, update
from .sessions import packed, posted, request, text

ROOM = "room"
HELD_ROOMS = 100
HOLD_SAMPLES = 60
RING_SECONDS, RING_RATE = 45, 10  # updates a second by which a store's ring of patches gets full
FLIGHT = 256  # connections being opened at a time
PEERS = HERE / "peers"


@dataclass(frozen=True, slots=True)
class Plan:
    """How much is done."""

    connections: int
    rounds: int
    turns: int
    """Of each server in a fan-out."""
    seconds: float
    """Of each closed loop, of which a turn has two."""
    ticks: int
    """Broadcasts a round whose last delivery is timed."""
    idle: float
    """Seconds; from the heartbeat on, every connection is asked and answers within it."""
    hold_connections: int
    hold: float
    """Seconds for which connections are held under updates."""


FULL = Plan(15_000, 5, 15, 1.0, 15, 26.0, 19_000, 120.0)
QUICK = Plan(1_000, 2, 3, 0.3, 3, 2.0, 1_000, 5.0)


def run(options: Options) -> Iterator[Figure]:
    """Measure what is wanted."""
    plan = QUICK if options.quick else FULL
    with tempfile.TemporaryDirectory() as folder:
        bench = _Bench(plan, options, Path(folder))
        if options.wants(*(f"front.{group}.{what}" for group, what in _FAN_OUT)):
            yield from bench.fan_out()
        for figures, measure in (
            (("front.memory_kb", "front.idle_us_per_s", "front.collection_ms"), bench.memory),
            (("front.memory_deflate_kb",), bench.memory_deflate),
            (("front.memory_events.vs_websocket",), bench.memory_events),
            (("front.sessions_per_s", "front.storm.vs_first", "front.storm.renders"), bench.sessions),
            (("front.hold.growth_kb", "front.hold.core"), bench.hold),
        ):
            if options.wants(*figures):
                yield from measure()


_FAN_OUT = [
    *((group, peer) for group in ("fanout", "tick10") for peer in ("vs_c", "vs_socketio", "vs_node")),
    ("last_p99", "vs_c"),
]
_NAMES = {"c": "a C loop of send()", "node": "node writing ready frames", "socketio": "Socket.IO 4"}


@dataclass(slots=True)
class _Taken:
    """What was measured of one server, one value a turn or round."""

    fanout: list[float] = field(default_factory=list)
    tick10: list[float] = field(default_factory=list)
    last: list[float] = field(default_factory=list)
    """Seconds until the last delivery of the slowest broadcast."""


class _Bench:
    def __init__(self, plan: Plan, options: Options, folder: Path) -> None:
        self._plan = plan
        self._say = options.say
        self._hold = options.seconds
        self._folder = folder
        (folder / "update").write_bytes(update(ROOM, FIRST_VERSION))
        (folder / "frame").write_bytes(websocket_frame(update(ROOM, FIRST_VERSION)))
        gate = TokenGate(KEY)
        now = time.time()
        self._tokens = [
            gate.sign(f"actor {number}", now=now, lifetime=86_400)
            for number in range(max(plan.connections, plan.hold_connections))
        ]
        self._write_sessions("plain", [request("/ws")])
        self._write_sessions("socketio", [request("/socket.io/?EIO=4&transport=websocket"), text("40")])
        self._write_sessions("front", [request("/ws"), *self._hellos(_subscribe([ROOM]))])
        self._write_sessions("deflate", [request("/ws", deflate=True), *self._hellos(_subscribe([ROOM]))])

    def fan_out(self) -> Iterator[Figure]:
        """One update a tick, ten updates a tick, and the time until the last has it."""
        _install_peers()
        taken = {name: _Taken() for name in ("c", "front", "node", "socketio")}
        with contextlib.ExitStack() as stack:
            up = {name: stack.enter_context(self._server(name)) for name in taken}
            for name, (_, load) in up.items():
                session, frames = {"front": ("front", 3), "socketio": ("socketio", 2)}.get(name, ("plain", 0))
                self._open(load, session, frames)
                load.order("loop 0.3 1")
            for number in range(self._plan.turns):
                # There and back, so that what drifts favours nobody.
                for name in taken if number % 2 == 0 else reversed(taken):
                    up["front"][1].order("hold 0.05")  # whose clients answer pings
                    self._turn(name, *up[name], taken[name])
            for number in range(self._plan.rounds):
                for name in ("c", "front") if number % 2 == 0 else ("front", "c"):
                    taken[name].last.append(max(up[name][1].order(f"spaced {self._plan.ticks} 200")["seconds"]))
        ours = taken.pop("front")
        for name, peer in taken.items():
            yield compared(
                f"front.fanout.vs_{name}",
                ours.fanout,
                "deliveries per core-second",
                peer=_NAMES[name],
                peers=peer.fanout,
                target={"c": ">= 0.8", "node": ">= 1.1", "socketio": ">= 1.7"}[name],
            )
            yield compared(
                f"front.tick10.vs_{name}",
                ours.tick10,
                "deliveries per core-second",
                peer=_NAMES[name],
                peers=peer.tick10,
                target={"c": ">= 0.8", "node": ">= 1.1", "socketio": ">= 12"}[name],
            )
        last, floor = ([1000 * seconds for seconds in peer.last] for peer in (ours, taken["c"]))
        yield compared("front.last_p99.vs_c", last, "ms", peer=_NAMES["c"], peers=floor, target="<= 1.5")

    def memory(self) -> Iterator[Figure]:
        """What a subscribed connection occupies, and costs while nothing happens."""
        plan = self._plan
        with self._held("front") as (server, load, size):
            collections = [1000 * _ask(load, server, ASK_COLLECTION)["seconds"] for _ in range(3)]
            cost = server.cost()
            load.order(f"hold {plan.idle}")
            ran = server.cost().since(cost).ran
        yield alone("front.collection_ms", collections, "ms", "<= 40")
        yield alone("front.idle_us_per_s", [1e6 * ran / plan.connections / plan.idle], "us/s", "<= 1")
        yield alone("front.memory_kb", [size], "KB", "<= 5")

    def memory_deflate(self) -> Iterator[Figure]:
        """The same with permessage-deflate negotiated."""
        sizes = [self._size("deflate") for _ in range(self._plan.rounds)]
        yield alone("front.memory_deflate_kb", sizes, "KB", "<= 6")

    def memory_events(self) -> Iterator[Figure]:
        """What a subscriber who takes server-sent events occupies, beside one on a WebSocket."""
        say = '[{"type":"hello","protocols":[1],"token":"%s","client":"%016x"},%s]'
        subscribe = _subscription([ROOM])
        asks = [posted("/events", say % (token, number, subscribe)) for number, token in enumerate(self._tokens)]
        self._write_sessions("events", [b"", *asks])
        sizes: dict[str, list[float]] = {"events": [], "front": []}
        for _ in range(self._plan.rounds):
            for session, taken in sizes.items():
                taken.append(self._size(session))
        yield compared(
            "front.memory_events.vs_websocket",
            sizes["events"],
            "KB",
            peer="one on a WebSocket",
            peers=sizes["front"],
            target="<= 2",
        )

    def sessions(self) -> Iterator[Figure]:
        """Whole sessions a second, and how fast all are back after all were cut."""
        resumed = _subscribe([ROOM], version=FIRST_VERSION)
        self._write_sessions("resumed", [request("/ws"), *self._hellos(resumed)])
        rates: list[float] = []
        firsts: list[float] = []
        storms: list[float] = []
        renders: list[float] = []
        for _ in range(self._plan.rounds):
            with self._front() as (server, load):
                before = server.cost()
                first = self._open(load, "front", 3)
                cost = server.cost().since(before)
                rates.append(self._plan.connections / cost.ran)
                self._say(f"  sessions: {rates[-1]:,.0f}/s, waited {cost.waited / (cost.ran + cost.waited):.0%}")
                load.order("cut")
                before = server.cost()
                # Resumed: nothing follows `subscribed`, since they are at the current version.
                again = self._open(load, "resumed", 2)
                cost = server.cost().since(before)
                firsts.append(first)
                storms.append(again)
                self._say(f"  storm: first {first:.2f} s, again {again:.2f} s")
                renders.append(_ask(load, server, ASK_RENDERS)["renders"])
        yield alone("front.sessions_per_s", rates, "per core-second", ">= 7000")
        yield compared("front.storm.vs_first", storms, "s", peer="as many first ones", peers=firsts, target="<= 1.5")
        yield alone("front.storm.renders", renders, "per store", "<= 1")

    def hold(self) -> Iterator[Figure]:
        """Many connections with four stores each, under fifty updates a second, each of 760 clients, without growth."""
        plan = self._plan
        seconds = self._hold or plan.hold
        subscribes = [
            _subscribe([f"{ROOM}{(4 * number + offset) % HELD_ROOMS}" for offset in range(4)])
            for number in range(HELD_ROOMS)
        ]
        self._write_sessions("four", [request("/ws"), *self._hellos(*subscribes)])
        with self._front() as (server, load):
            self._open(load, "four", 9, connections=plan.hold_connections)
            # What stores keep of their updates fills up first: that is no growth.
            load.order(f"steady {RING_SECONDS} 1 {RING_RATE}")
            load.order(f"steady {seconds / 20} 50 {NEXT_STORE}")
            size, begun, begin, frames = server.resident(), time.monotonic(), server.cost(), 0
            cores: list[tuple[float, float]] = []
            growth: list[tuple[float, float]] = []
            while (now := time.monotonic() - begun) < seconds:
                before = server.cost()
                frames += load.order(f"steady {seconds / HOLD_SAMPLES} 50 {NEXT_STORE}")["frames"]
                after = time.monotonic() - begun
                cores.append((after, server.cost().since(before).ran / (after - now)))
                growth.append((after, (server.resident() - size) / 1024))
            ran = server.cost().since(begin).ran
            self._say(f"  hold: {frames / after:,.0f} deliveries a second, {1e6 * ran / frames:.1f} us each")
        yield watched("front.hold.core", cores, ran / after, "of a core", "<= 1")
        yield watched("front.hold.growth_kb", growth, growth[-1][1], "KB", "<= 4096")

    def _turn(self, name: str, server: Process, load: Process, taken: _Taken) -> None:
        waited = []
        for k, values in ((1, taken.fanout), (10, taken.tick10)):
            before = server.cost()
            answer = load.order(f"loop {self._plan.seconds} {k}")
            cost = server.cost().since(before)
            if answer["frames"] != answer["expected"]:
                raise Broken(f"{name}: {answer}")
            values.append(answer["frames"] / cost.ran)
            waited.append(cost.waited / (cost.ran + cost.waited))
        one, ten = taken.fanout[-1] / 1000, taken.tick10[-1] / 1000
        self._say(f"  {name}: {one:,.0f} k/s, {ten:,.0f} k/s with ten a tick, waited {max(waited):.0%}")

    def _size(self, session: str) -> float:
        with self._held(session) as (_, _, size):
            return size

    @contextmanager
    def _held(self, session: str) -> Iterator[tuple[Process, Process, float]]:
        """Many connections of a kind, and how many KB each occupies."""
        with self._front() as (server, load):
            # What the first ones make is there for all.
            self._open(load, session, 3, connections=100)
            load.order("cut")
            before = server.resident()
            self._open(load, session, 3)
            # A few connections may fit in what was there: less than a page is not seen.
            grown = max(server.resident() - before, mmap.PAGESIZE)
            size = grown / 1024 / self._plan.connections
            self._say(f"  {session}: {size:.2f} KB")
            yield server, load, size

    @contextmanager
    def _front(self) -> Iterator[tuple[Process, Process]]:
        with self._server("front") as both:
            yield both

    @contextmanager
    def _server(self, name: str) -> Iterator[tuple[Process, Process]]:
        port, control = free_port(), free_port()
        ports = (str(port), str(control))
        command: list[str | Path]
        if name == "c":
            command = [compiled("floor"), *ports, self._folder / "frame"]
        elif name == "front":
            command = [sys.executable, "-m", "bench.served", *ports]
        elif name == "node":
            command = ["node", PEERS / "node.mjs", *ports, self._folder / "frame"]
        else:
            command = ["node", PEERS / "socketio.mjs", *ports, self._folder / "update"]
        with running(command, core=SERVER_CORE) as server:
            server.line()
            with running([compiled("load"), *ports], core=LOAD_CORE) as load:
                yield server, load

    def _open(self, load: Process, session: str, frames: int, *, connections: int | None = None) -> float:
        wanted = connections or self._plan.connections
        load.order(f"sessions {self._folder / session}")
        answer = load.order(f"open {wanted} {FLIGHT} {frames}")
        if answer["opened"] != wanted:
            raise Broken(f"{session}: {answer}")
        return float(answer["seconds"])

    def _hellos(self, *subscribes: bytes) -> list[bytes]:
        """What each connection says after the handshake; every one is another actor."""
        hello = '{"type":"hello","protocols":[1],"token":"%s","client":"%016x"}'
        return [
            text(hello % (token, number)) + subscribe
            for number, (token, subscribe) in enumerate(zip(self._tokens, itertools.cycle(subscribes), strict=False))
        ]

    def _write_sessions(self, name: str, records: list[bytes]) -> None:
        (self._folder / name).write_bytes(packed(records))


def _ask(load: Process, server: Process, question: int) -> dict[str, float]:
    """Ask the front something over the load generator's control connection."""
    load.order(f"ask {question}")
    answer: dict[str, float] = json.loads(server.line())
    return answer


def _subscribe(rooms: list[str], *, version: int | None = None) -> bytes:
    return text(_subscription(rooms, version=version))


def _subscription(rooms: list[str], *, version: int | None = None) -> str:
    position = "" if version is None else f',"epoch":"{EPOCH}","version":{version}'
    stores = ",".join(f'{{"id":{number},"name":"{room}"{position}}}' for number, room in enumerate(rooms, 1))
    return f'{{"type":"subscribe","stores":[{stores}]}}'


def _install_peers() -> None:
    if shutil.which("node") is None or shutil.which("npm") is None:
        raise Broken("node and npm are needed: node and Socket.IO are measured beside the front")
    if not (PEERS / "node_modules").is_dir():
        subprocess.run(["npm", "ci", "--no-audit", "--no-fund", "--silent"], cwd=PEERS, check=True)
