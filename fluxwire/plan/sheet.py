"""The sheet: how many of what a workload takes, what each holds, which part is full first, and what ticks do."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from dataclasses import dataclass

from .costs import Costs, costs, memory, most_actions, snapshot_bytes
from .flows import Flows, flows
from .units import Units
from .workload import Workload

DAY = 86_400
MOST_FRONTS = 1_000_000
MOST_RATE = 1e9
"""So many times the rate asked for are looked at to find where something is full."""
STEPS = 60
TICKS = (0.0, 0.004, 0.01, 0.04, 0.1, 0.25)
FILES = 1_000_000
"""Of a process of HAProxy, two a client; docs/operations.md, Tuning."""
JOINS = 0.04
"""A tick that people do not notice, in seconds."""
SPARE = 1.1
"""Files of a process beside its clients'."""


@dataclass(frozen=True, slots=True)
class Part:
    """Processes of a kind, in all Fluxwires together."""

    name: str
    processes: int
    busy: float
    """Of the core of each; of one that uses many, cores of each."""
    cores: float
    """Of all together."""
    memory: float
    """Bytes of all together."""
    files: int
    """Descriptors that each has to be allowed."""


@dataclass(frozen=True, slots=True)
class Limit:
    """Where a part is full, everything else being as it is."""

    part: str
    at: float
    """Messages a second, in all rooms of one Fluxwire together."""
    why: str


@dataclass(frozen=True, slots=True)
class Tick:
    """What the same takes with another tick."""

    tick: float
    fronts: int
    cores: float
    """Of all fronts."""
    writes: float
    """A second, of all fronts."""
    joined: float
    """Messages in a write."""
    network: float
    """Bytes a second."""


@dataclass(frozen=True, slots=True)
class Storm:
    """What it takes until all are back who were cut off at once."""

    seconds: float
    """That fronts work on it, beside what they do anyway."""
    renders: float
    """Of the database."""
    render_seconds: float
    """That these take."""
    first: float
    """Bytes, if all have nothing and need their rooms' snapshots."""


@dataclass(frozen=True, slots=True)
class Sheet:
    """All there is to say of a workload."""

    workload: Workload
    stacks: int
    """How many Fluxwires, each with a part of the rooms and of the users."""
    flows: Flows
    """Of each of them."""
    parts: list[Part]
    network: float
    """Bytes a second to clients, all together."""
    wal: float
    """Bytes a day."""
    log: float
    """Bytes a day."""
    table: float
    """Bytes a day, of the application's own messages."""
    limits: list[Limit]
    """The first one is reached first."""
    ticks: list[Tick]
    storm: Storm
    verdicts: list[str]


def sheet(workload: Workload, units: Units) -> Sheet:
    """Compute the sheet of a workload.

    Args:
        workload: What is asked for.
        units: What was measured.

    """
    stacks = _stacks(workload, units)
    one = _shared_out(workload, stacks)
    fronts = _fronts(one, units)
    happens = flows(one, units, fronts)
    used, held = costs(one, units, fronts, happens), memory(one, units, fronts, happens)
    clients = math.ceil(one.users / fronts)
    balancers = max(1, math.ceil(2 * one.users / FILES))
    parts = [
        Part("front", fronts, used.front, fronts * used.front, fronts * held.front, math.ceil(SPARE * clients)),
        Part("multiplexer", 1, used.multiplexer, used.multiplexer, held.multiplexer, 1024),
        Part("Redis", 1, used.redis, used.redis, held.redis, 1024 + 2 * fronts),
        Part("Postgres", 1, used.postgres, used.postgres, held.postgres, 1024),
        Part(
            "HAProxy",
            balancers,
            used.haproxy / balancers,
            used.haproxy,
            held.haproxy,
            math.ceil(SPARE * 2 * one.users / balancers),
        ),
    ]
    actions, text = workload.actions * DAY, workload.length
    postgres = units.postgres
    return Sheet(
        workload=workload,
        stacks=stacks,
        flows=happens,
        parts=[
            dataclasses.replace(
                part, processes=stacks * part.processes, cores=stacks * part.cores, memory=stacks * part.memory
            )
            for part in parts
        ],
        network=stacks * happens.network(fronts),
        wal=actions * (postgres.wal + postgres.texts * text) + stacks * happens.batches * DAY * postgres.batch_wal,
        log=actions * (postgres.log + text),
        table=actions * (postgres.table + text),
        limits=_limits(one, units, fronts),
        ticks=[_tick(one, units, stacks, tick) for tick in TICKS],
        storm=_storm(one, units, fronts, used),
        verdicts=_verdicts(workload, one, units, stacks=stacks, fronts=fronts),
    )


def _stacks(workload: Workload, units: Units) -> int:
    """How many Fluxwires carry it: as few as have no process too busy that there can be only one of."""
    stacks = 1
    while stacks < workload.rooms:
        one = _shared_out(workload, stacks)
        fronts = _fronts(one, units)
        used = costs(one, units, fronts, flows(one, units, fronts))
        worst = max(used.connection, used.multiplexer, used.redis, used.intake)
        if worst <= workload.busy:
            break
        stacks += 1
    return stacks


def _shared_out(workload: Workload, stacks: int) -> Workload:
    rooms = math.ceil(workload.rooms / stacks)
    users = max(workload.members, math.ceil(workload.users / stacks))
    fronts = None if workload.fronts is None else max(1, round(workload.fronts / stacks))
    return dataclasses.replace(workload, rooms=rooms, users=users, fronts=fronts)


def _least_fronts(workload: Workload) -> int:
    return workload.fronts or math.ceil(workload.users / workload.clients)


def _fronts(workload: Workload, units: Units) -> int:
    """How many fronts carry it; if no number does, as many as the clients need."""
    least = _least_fronts(workload)
    if workload.fronts is not None:
        return least

    def carry(fronts: int) -> bool:
        return costs(workload, units, fronts, flows(workload, units, fronts)).front <= workload.busy

    most = least
    while not carry(most):
        most *= 2
        if most > MOST_FRONTS:
            return least
    fewer = max(least, most // 2)
    while fewer < most:
        middle = (fewer + most) // 2
        if carry(middle):
            most = middle
        else:
            fewer = middle + 1
    return most


def _limits(one: Workload, units: Units, fronts: int) -> list[Limit]:
    """Where each part is full as messages become more."""

    def full(share: Callable[[Costs], float]) -> float:
        def at(rate: float) -> float:
            more = dataclasses.replace(one, rate=rate / one.rooms)
            return share(costs(more, units, fronts, flows(more, units, fronts)))

        low, high = 1e-3, MOST_RATE
        if at(low) >= 1:
            return 0.0
        for _ in range(STEPS):
            middle = math.sqrt(low * high)
            low, high = (middle, high) if at(middle) < 1 else (low, middle)
        return low

    limits = [
        Limit("Postgres", most_actions(one.rooms, units), "batches run one after the other on one connection"),
        Limit("multiplexer", full(lambda used: used.multiplexer), "one leads, on one core"),
        Limit("Redis", full(lambda used: used.redis), "one core; every front reads every update"),
        Limit("fronts", full(lambda used: used.front), f"these {fronts:,}, at this tick; more of them take more"),
        Limit("intake", full(lambda used: used.intake), "each front takes every update; more fronts do not help"),
    ]
    return sorted(limits, key=lambda limit: limit.at)


def _tick(one: Workload, units: Units, stacks: int, tick: float) -> Tick:
    ticked = dataclasses.replace(one, tick=tick)
    fronts = _fronts(ticked, units)
    happens = flows(ticked, units, fronts)
    used = costs(ticked, units, fronts, happens)
    return Tick(
        tick=tick,
        fronts=stacks * fronts,
        cores=stacks * fronts * used.front,
        writes=stacks * fronts * happens.writes,
        joined=happens.joined,
        network=stacks * happens.network(fronts),
    )


def _storm(one: Workload, units: Units, fronts: int, used: Costs) -> Storm:
    free = max(1 - used.front, 1e-9)
    work = one.users / fronts * (units.front.session + one.private * units.front.private)
    renders = float(one.users * one.private)
    busiest = max(
        units.postgres.private / max(1 - used.postgres, 1e-9),
        units.multiplexer.private / max(1 - used.multiplexer, 1e-9),
    )
    return Storm(
        seconds=work / free,
        renders=renders,
        render_seconds=renders * busiest,
        first=one.users * one.rooms_each * snapshot_bytes(one, units),
    )


def _verdicts(workload: Workload, one: Workload, units: Units, *, stacks: int, fronts: int) -> list[str]:
    happens = flows(one, units, fronts)
    used = costs(one, units, fronts, happens)
    most = most_actions(workload.rooms, units)
    said = []
    if workload.actions > most:
        said.append(
            f"One Postgres cannot take {workload.actions:,.0f} actions a second: measured, its one connection takes"
            f" {most:,.0f}."
        )
    if stacks > 1:
        said.append(
            f"So it takes {stacks} Fluxwires, each with a database, a Redis and a multiplexer of its own and"
            f" {one.rooms:,} of the rooms. Nothing makes one out of them: a user in rooms of two holds two connections."
        )
    elif used.connection > workload.busy:
        said.append(
            f"That is {used.connection:.0%} of what the database's one connection takes, more than {workload.busy:.0%},"
            " and one room cannot be shared out."
        )
    if used.front > workload.busy:
        said.append(
            f"No number of fronts is {workload.busy:.0%} busy at most: what each takes from the bus is"
            f" {used.intake:.0%} of its core."
            if workload.fronts is None
            else f"{fronts} fronts would be {used.front:.0%} busy; leave their number out to be told how many it takes."
        )
    if one.tick < JOINS and happens.writes and happens.joined < 2 and used.front * fronts > 1:  # noqa: PLR2004 -- hardly any
        said.append("A tick joins messages that come close to each other into one write: see what it saves below.")
    storm = _storm(one, units, fronts, used)
    slowest = max(storm.seconds, storm.render_seconds)
    if slowest > workload.storm:
        said.append(f"All coming back takes {slowest:,.0f} s, more than the {workload.storm:,.0f} asked for.")
    return said
