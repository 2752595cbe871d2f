"""``bench scale``: how costs grow with clients, rooms, stores a client, bytes a message, fronts, and private stores.

Each is a curve with its order of growth, the power of what grows by which the cost does, and the place where it bends,
if it does. Costs are processor time. What a front alone decides is measured on a front behind a bus that answers by
itself (bench/served.py); what all processes share, on the whole stack (bench/crowd.py).
"""

import statistics
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from .contenders import CONTENDERS, contending
from .crowd import Size, crowd, stage
from .database import Cluster, cluster
from .figures import Curve, Figure, alone
from .fit import bend, order_of_growth
from .front.crowd import ROOM, Crowd, subscribe
from .harness import Options, in_turn
from .processes import Broken
from .served import MESSAGE
from .sessions import request

PLAYED_ROOMS, PLAY_SECONDS = 10, 6
EACH_ROOM = 1
"""What the front is told by the control connection: an update of each store."""
Points = list[tuple[float, float]]


@dataclass(frozen=True, slots=True)
class Plan:
    """How much is done."""

    rounds: int
    seconds: float
    """Of each turn."""
    clients: Sequence[int]
    rooms: Sequence[int]
    room_clients: int
    stores: Sequence[int]
    store_clients: int
    sizes: Sequence[int]
    size_clients: int
    fronts: Sequence[int]
    front_clients: int
    front_rate: float
    private: Sequence[int]
    private_clients: int


FULL = Plan(
    rounds=2,
    seconds=0.7,
    clients=(125, 500, 1000, 2000, 4000, 8000, 15_000),
    rooms=(1, 8, 64, 256, 1024),
    room_clients=4096,
    stores=(1, 2, 4, 8, 16),
    store_clients=1000,
    sizes=(150, 600, 2400, 4800, 9600, 38_400),
    size_clients=500,
    fronts=(1, 2, 4),
    front_clients=2000,
    front_rate=100.0,
    private=(1, 2, 4, 8, 16),
    private_clients=200,
)
QUICK = Plan(1, 0.2, (50, 200), (1, 8), 200, (1, 4), 100, (150, 4800), 100, (1, 2), 100, 30.0, (1, 4), 30)


def run(options: Options) -> Iterator[Figure]:
    """Measure what is wanted."""
    plan = QUICK if options.quick else FULL
    with tempfile.TemporaryDirectory(prefix="fluxwire-bench-") as folder:
        served = _Served(plan, options, Path(folder))
        for name, measure in (
            ("scale.clients", served.clients),
            ("scale.rooms", served.rooms),
            ("scale.stores", served.stores),
            ("scale.bytes", served.sizes),
        ):
            if options.wants(name):
                yield from measure()
    if options.wants("scale.fronts", "scale.private"):
        with cluster() as servers:
            whole = _Whole(plan, options)
            if options.wants("scale.fronts"):
                yield from whole.fronts(servers)
            if options.wants("scale.private"):
                yield from whole.private(servers)


class _Served:
    """What a front alone decides."""

    def __init__(self, plan: Plan, options: Options, folder: Path) -> None:
        self._plan = plan
        self._say = options.say
        self._folder = folder
        most = max(*plan.clients, plan.room_clients, plan.store_clients, plan.size_clients)
        self._crowd = Crowd(connections=most, most=most, folder=folder)

    def clients(self) -> Iterator[Figure]:
        """One room, more and more clients in it."""
        points = self._rounds(self._plan.clients, lambda clients: self._turn(clients, 1, 1, MESSAGE))
        yield figure("scale.clients", points, "clients in a room", "us a delivery", self._say)

    def rooms(self) -> Iterator[Figure]:
        """The same clients in more and more rooms, of which all change at once."""
        clients = self._plan.room_clients
        points = self._rounds(self._plan.rooms, lambda rooms: self._turn(clients, rooms, 1, MESSAGE))
        yield figure("scale.rooms", points, f"rooms of {clients:,} clients together", "us a delivery", self._say)

    def stores(self) -> Iterator[Figure]:
        """The same clients, each with more and more stores of which all change at once."""
        most = max(self._plan.stores)
        points = self._rounds(
            self._plan.stores, lambda stores: self._turn(self._plan.store_clients, most, stores, MESSAGE)
        )
        writes = [(stores, stores * cost) for stores, cost in points]
        yield figure("scale.stores", writes, "stores a client, joined in a write", "us a write", self._say)

    def sizes(self) -> Iterator[Figure]:
        """Larger and larger updates."""
        points = self._rounds(self._plan.sizes, lambda size: self._turn(self._plan.size_clients, 1, 1, size))
        yield figure("scale.bytes", points, "bytes an update", "us a delivery", self._say)

    def _rounds(self, places: Sequence[int], turn: Callable[[int], float]) -> Points:
        """Measure at all places, there and back; the medians."""
        found = in_turn({str(place): partial(turn, place) for place in places}, rounds=self._plan.rounds)
        return [(float(place), statistics.median(values)) for place, values in found.items()]

    def _turn(self, clients: int, rooms: int, stores: int, size: int) -> float:
        """Microseconds of the front's processor time for each frame of each client."""
        wishes = [
            subscribe([f"{ROOM}{(number + offset) % rooms}" for offset in range(stores)]) for number in range(rooms)
        ]
        self._crowd.write("scaled", [request("/ws"), *self._crowd.hellos(*wishes)])
        front = CONTENDERS["front"]
        sized = replace(front, start=lambda ports, folder: [*front.start(ports, folder), str(size)])
        with contending(sized, self._folder) as (server, load):
            self._crowd.come(load, "scaled", 1 + 2 * stores, connections=clients)
            # The next when half of the last has come: open loops join ticks whenever others have the core.
            load.order(f"loop {self._plan.seconds / 3} {EACH_ROOM} {stores}")
            before = server.cost().ran
            answer = load.order(f"loop {self._plan.seconds} {EACH_ROOM} {stores}")
            ran = server.cost().ran - before
            if answer["frames"] != answer["expected"]:
                raise Broken(f"{clients} clients: {answer}")
        return float(1e6 * ran / answer["frames"])


class _Whole:
    """What all processes share."""

    def __init__(self, plan: Plan, options: Options) -> None:
        self._plan = plan
        self._say = options.say

    def fronts(self, servers: Cluster) -> Iterator[Figure]:
        """The same clients and messages on more and more fronts, a tick of a tenth of a second."""
        plan = self._plan
        taken: dict[str, Points] = defaultdict(list)
        for fronts in plan.fronts:
            with stage(servers, fronts=fronts) as place, crowd(place, Size(plan.front_clients, PLAYED_ROOMS)) as come:
                come.play(plan.front_rate, plan.seconds)
                ran = come.play(plan.front_rate, PLAY_SECONDS * plan.seconds, seed=2)
                for kind, cpu in ran.cpu.items():
                    taken[kind].append((float(fronts), 1e3 * cpu / ran.messages))
        for kind, points in taken.items():
            yield figure(f"scale.fronts.{kind}", points, "fronts", "ms a message, all fronts together", self._say)

    def private(self, servers: Cluster) -> Iterator[Figure]:
        """Clients that come with more and more private stores."""
        plan = self._plan
        costs: dict[str, Points] = defaultdict(list)
        held: Points = []
        with stage(servers) as place:
            # What the first crowd makes is there for all.
            with crowd(place, Size(plan.private_clients, PLAYED_ROOMS, private=plan.private[0])):
                pass
            for stores in plan.private:
                with crowd(place, Size(plan.private_clients, PLAYED_ROOMS, private=stores)) as come:
                    for kind, cpu in come.came.cpu.items():
                        costs[kind].append((float(stores), 1e3 * cpu / plan.private_clients))
                    held.append((float(stores), come.came.memory["front"] / 1024 / plan.private_clients))
        for kind, points in costs.items():
            yield figure(
                f"scale.private.{kind}", points, "private stores a client", "ms a client that comes", self._say
            )
        yield figure("scale.private.memory", held, "private stores a client", "KB of a front a client", self._say)


def figure(name: str, points: Points, x: str, y: str, say: Callable[[str], None]) -> Figure:
    """A curve with its order of growth, and where it bends.

    Args:
        name: Of the figure.
        points: By rising x.
        x: What grows.
        y: What that costs.
        say: Is told.

    """
    usable = [(place, cost) for place, cost in points if cost > 0]
    order = order_of_growth(usable) if len(usable) > 1 else 0.0
    turns = bend(usable)
    words = f"power {order:.2f}" + ("" if turns is None else f", bends at {turns:,.0f}")
    if turns is not None:
        before = order_of_growth([point for point in usable if point[0] <= turns])
        after = order_of_growth([point for point in usable if point[0] >= turns])
        words += f" from {before:.2f} to {after:.2f}"
    say(f"  {name}: {words}; " + ", ".join(f"{place:g}: {cost:.3g}" for place, cost in points) + f" ({y})")
    curve = Curve(f"{name.partition('.')[2]}: {words}", x, y, points, log="xy")
    return alone(name, [order], f"the power of {x}", curves=[curve])
