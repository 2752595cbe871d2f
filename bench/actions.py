"""``bench actions``: from a client to a commit to everybody who looks, the whole way, all of it on this machine.

Writers over 15 rooms of the chat, each subscribed to the room it writes into, through a real front, Valkey, a
multiplexer and a durable Postgres, full log. An action is over when its writer has its outcome and has got its own
message in its room's update. The floor is pgbench with 32 clients and a hand-written insert into the same database.
"""

import asyncio
import itertools
import json
import resource
import statistics
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import asyncpg  # noqa: TID251 -- rooms are made, and batches counted, past all that is measured

from .database import Cluster, cluster, execute
from .figures import Figure, alone, compared
from .harness import Options, in_turn
from .processes import Broken, Process, Shares, compiled, running
from .sessions import packed, request, text
from .sql import BY_HAND, BY_HAND_TABLES, FLOOR_CLIENTS
from .stack import Stack, stack

ROOMS = 15
DAY = 86_400  # seconds
MAKE_ROOMS = "insert into chat.room select 'r' || i, 'r' || i, 'x', now() from generate_series(0, 49) as i"
BARE_COMMIT = """
with message as (
  insert into by_hand_message
  values (gen_random_uuid(), 'r1', 'u1', 'hello, this is a message of usual length', clock_timestamp())
)
insert into by_hand_log (actor, client, number, name, params, at)
values (
  'u1', 'c1', 1, 'post_message', '{"room": "r1", "body": "hello, this is a message of usual length"}', clock_timestamp()
);
"""
"""The same as by hand, in one statement: one round trip and one commit."""

HOP_BYTES = 300
"""About what a parcel of one action, or the update it leads to, has on the bus."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How much is done."""

    rounds: int
    seconds: int
    """Of each measurement."""
    writers: int
    flight: int
    """Actions under way of each writer in the closed loop."""
    few: int
    many: int
    """Writers whose cost to Redis is compared."""
    hops: int


FULL = Plan(rounds=5, seconds=8, writers=60, flight=8, few=30, many=600, hops=300)
QUICK = Plan(rounds=1, seconds=1, writers=30, flight=4, few=15, many=60, hops=50)

BUDGET = {"postgres": 1.0, "multiplexer": 0.25, "front": 0.25, "valkey": 0.05, "clients": 0.12}
"""What each may use of an insert's processor time if 0.6 inserts' worth of actions are to fit in the same cores."""


Taken = tuple[float, dict[str, float]]
"""Actions a second, and the processor time of one by who used it, in microseconds."""


def run(options: Options) -> Iterator[Figure]:
    """Measure what is wanted."""
    plan = QUICK if options.quick else FULL
    with cluster() as servers, tempfile.TemporaryDirectory(prefix="fluxwire-bench-") as folder:
        url = servers.database()
        execute(url, f"set search_path to public; {BY_HAND_TABLES} {MAKE_ROOMS}")
        with stack(servers, url, Path(folder)) as whole:
            bench = _Bench(plan=plan, options=options, servers=servers, url=url, whole=whole, folder=Path(folder))
            yield from bench.throughput()
            if options.wants("actions.latency_p50.vs_bare", "actions.latency_p99_ms"):
                yield from bench.latency()
            if options.wants("actions.redis"):
                yield bench.redis()


class _Bench:
    def __init__(self, *, plan: Plan, options: Options, servers: Cluster, url: str, whole: Stack, folder: Path) -> None:
        self._plan = plan
        self._options = options
        self._say = options.say
        self._servers = servers
        self._url = url
        self._whole = whole
        self._sessions = folder / "sessions"
        self._clients = itertools.count()
        self._highest = 0.0

    def throughput(self) -> Iterator[Figure]:
        """Actions a second with writers that always have some under way, and what each process uses."""
        plan = self._plan
        shares = Shares()
        with self._writers(plan.writers) as writers:
            writers.order(f"closed {max(1, plan.seconds / 4)} {plan.flight}")  # plans are made, pages are there
            sides = {"ours": lambda: self._closed(writers, shares), "by hand": self._by_hand}
            taken = in_turn(sides, rounds=plan.rounds)
        self._say(f"  {shares}")
        ours, floor = taken["ours"], taken["by hand"]
        rates = [rate for rate, _ in ours]
        self._highest = statistics.median(rates)
        peer = "pgbench, 32 clients, hand-written insert of message and log row"
        if self._options.wants("actions.vs_insert"):
            inserts = [rate for rate, _ in floor]
            yield shares.beside(
                compared("actions.vs_insert", rates, "actions/s", peer=peer, peers=inserts, target=">= 0.6")
            )
        if self._options.wants("actions.per_s"):
            yield shares.beside(alone("actions.per_s", rates, "actions/s", ">= 11000"))
        peer = "the hand-written insert, pgbench included"
        by_hand = [sum(costs.values()) for _, costs in floor]
        for name, most in BUDGET.items():
            if self._options.wants(f"actions.cpu.{name}"):
                values = [costs[name] for _, costs in ours]
                yield compared(
                    f"actions.cpu.{name}", values, "us/action", peer=peer, peers=by_hand, target=f"<= {most}"
                )

    def _closed(self, writers: Process, shares: Shares) -> Taken:
        """Actions as fast as they go."""
        plan = self._plan
        newest = self._query("select max(seq) from flux.action")
        before = self._costs(writers)
        with shares.counted(*self._ours(), load=writers.pid):
            answer = writers.order(f"closed {plan.seconds} {plan.flight}")
        batches = self._query("select count(distinct xmin::text) from flux.action where seq > $1", newest)
        rate = answer["actions"] / answer["seconds"]
        costs = {name: 1e6 * (used - before[name]) / answer["all"] for name, used in self._costs(writers).items()}
        each = ", ".join(f"{name} {us:.0f}" for name, us in costs.items())
        self._say(f"  {rate:,.0f} actions/s in batches of {answer['all'] / batches:.1f}; us an action: {each}")
        return rate, costs

    def _by_hand(self) -> Taken:
        """The floor of throughput."""
        seconds = self._plan.seconds
        before, clients = self._whole.costs()["postgres"], resource.getrusage(resource.RUSAGE_CHILDREN)
        rate = self._servers.pgbench(self._url, BY_HAND, clients=FLOOR_CLIENTS, seconds=seconds)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        costs = {
            "postgres": self._whole.costs()["postgres"] - before,
            "clients": after.ru_utime + after.ru_stime - clients.ru_utime - clients.ru_stime,
        }
        costs = {name: 1e6 * used / (rate * seconds) for name, used in costs.items()}
        self._say(f"  by hand {rate:,.0f}/s, {sum(costs.values()):.0f} us each")
        return rate, costs

    def latency(self) -> Iterator[Figure]:
        """From when an action is due to be sent until its message is back, at half of the highest load."""
        plan = self._plan
        shares = Shares()
        worst: list[float] = []
        with self._writers(plan.writers) as writers:

            def half() -> float:
                with shares.counted(*self._ours(), load=writers.pid):
                    answer = writers.order(f"paced {plan.seconds} {self._highest / 2}")
                worst.append(1e3 * answer["p99"])
                self._say(
                    f"  at {self._highest / 2:,.0f} actions/s: p50 {1e3 * answer['p50']:.1f} ms,"
                    f" p90 {1e3 * answer['p90']:.1f}, p99 {worst[-1]:.1f}, worst {1e3 * answer['max']:.1f};"
                    f" sent {1e3 * answer['late']:.1f} late at worst"
                )
                return 1e3 * float(answer["p50"])

            taken = in_turn({"half": half, "bare": lambda: 1e3 * self._bare()}, rounds=plan.rounds)
        halves, bares = taken["half"], taken["bare"]
        self._say(f"  {shares}")
        peer = "one commit, two hops over Valkey and one trip over TCP"
        yield shares.beside(
            compared("actions.latency_p50.vs_bare", halves, "ms", peer=peer, peers=bares, target="<= 2")
        )
        yield shares.beside(alone("actions.latency_p99_ms", worst, "ms", "<= 50"))

    def redis(self) -> Figure:
        """Commands a second that Redis runs, at one rate of actions from few clients and from many."""
        plan = self._plan
        sides = {f"{count}": partial(self._commands, count) for count in (plan.few, plan.many)}
        few, many = in_turn(sides, rounds=max(1, plan.rounds // 2)).values()
        peer = f"{plan.few} clients, not {plan.many}"
        return compared("actions.redis", many, "commands/s", peer=peer, peers=few, target="<= 1.2")

    def _commands(self, count: int) -> float:
        """Commands a second with so many clients."""
        with self._writers(count) as writers:
            before = asyncio.run(self._whole.commands())
            answer = writers.order(f"paced {self._plan.seconds} {self._highest / 4}")
            after = asyncio.run(self._whole.commands())
        ran = {name: calls - before.get(name, 0) for name, calls in after.items()}
        rate = sum(ran.values()) / float(answer["seconds"])
        most = sorted(ran.items(), key=lambda one: -one[1])[:6]
        self._say(
            f"  {count} clients, {self._highest / 4:,.0f} actions/s: {rate:,.0f} commands/s ("
            + ", ".join(f"{name} {calls / answer['seconds']:.0f}" for name, calls in most)
            + ")"
        )
        return rate

    def _bare(self) -> float:
        """Seconds that an action's way takes without us: the medians of its parts, added up."""
        commit = self._servers.latency(self._url, BARE_COMMIT, seconds=max(1, self._plan.seconds // 4))
        program: list[str | Path] = [compiled("bare"), self._whole.redis, str(self._plan.hops), str(HOP_BYTES)]
        parts = json.loads(subprocess.run(program, check=True, capture_output=True).stdout)
        self._say(
            f"  bare: commit {1e3 * commit:.2f} ms, hop {1e6 * parts['hop']:.0f} us, trip {1e6 * parts['trip']:.0f} us"
        )
        return commit + 2 * float(parts["hop"]) + float(parts["trip"])

    def _ours(self) -> Iterator[int]:
        """The processes of ours that may have to wait for a core."""
        return (pid for name, pid in self._whole.pids.items() if name in {"front", "multiplexer"})

    def _costs(self, writers: Process) -> dict[str, float]:
        return {**self._whole.costs(), "clients": writers.cost().ran}

    def _query(self, query: str, *arguments: int) -> int:
        return asyncio.run(_value(self._url, query, arguments))

    @contextmanager
    def _writers(self, count: int) -> Iterator[Process]:
        """Connect so many writers, each another actor and another client."""
        records = [request("/ws")]
        for place in range(count):
            number = next(self._clients)
            actor = self._whole.gate.sign(f"actor {number}", now=time.time(), lifetime=DAY)
            room = f'{{"room":"r{place % ROOMS}"}}'
            records.append(
                text(f'{{"type":"hello","protocols":[1],"token":"{actor}","client":"{number:016x}"}}')
                + text(f'{{"type":"subscribe","stores":[{{"id":1,"name":"room","params":{room}}}]}}')
                + text(f'{{"type":"dispatch","number":1,"name":"join_room","params":{room}}}')
            )
        self._sessions.write_bytes(packed(records))
        with running([compiled("writers"), str(self._whole.port), str(ROOMS)], core=None) as writers:
            writers.order(f"sessions {self._sessions}")
            answer = writers.order(f"open {count}")
            if answer["opened"] != count:
                raise Broken(f"{count} writers: {answer}")
            yield writers


async def _value(url: str, query: str, arguments: Sequence[int]) -> int:
    connection = await asyncpg.connect(url)
    try:
        value: int = await connection.fetchval(query, *arguments)
    finally:
        await connection.close()
    return value
