"""Messages on their way, one after the other: what the formulas of ``fluxwire plan`` are compared with.

Nothing here comes from there: batches are gathered, rooms drawn and writes put off as the processes do it.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True)
class Happened:
    seconds: float
    actions: int
    parcels: int
    batches: int
    updates: int
    writes: int
    """To all users who were looked at."""
    read: int
    """Messages in them."""


def arrivals(rate: float, rooms: int, count: int, chance: random.Random) -> Iterator[tuple[float, int]]:
    """When actions come, and into which room."""
    now = 0.0
    for _ in range(count):
        now += chance.expovariate(rate)
        yield now, chance.randrange(rooms)


def parcels(actions: list[tuple[float, int]], tick: float) -> list[tuple[float, list[int]]]:
    """When a front appends what it has gathered: at once after a rest, else when the tick ends."""
    found: list[tuple[float, list[int]]] = []
    ends = 0.0
    for at, room in actions:
        if found and at <= found[-1][0]:
            found[-1][1].append(room)
        else:
            leaves = max(at, ends)
            found.append((leaves, [room]))
            ends = leaves + tick
    return found


def commits(
    waiting: list[tuple[float, list[int]]], *, fixed: float, each: float, most: int
) -> list[tuple[float, list[int]]]:
    """When batches end, and the rooms of their actions: each takes what came while the last one ran."""
    found: list[tuple[float, list[int]]] = []
    queue: list[int] = []
    place, now = 0, 0.0
    while place < len(waiting) or queue:
        if not queue:
            now = max(now, waiting[place][0])
        while place < len(waiting) and waiting[place][0] <= now:
            queue += waiting[place][1]
            place += 1
        batch, queue = queue[:most], queue[most:]
        now += fixed + each * len(batch)
        found.append((now, batch))
    return found


def writes(told: list[tuple[float, list[int]]], looks_at: list[set[int]], tick: float) -> tuple[int, int]:
    """How often users are written to, and how many messages that are."""
    written = read = 0
    ends = -tick
    pending: list[int] = []
    leaves: float | None = None

    def flush() -> None:
        nonlocal written, read
        touched = set(pending)
        for rooms in looks_at:
            if rooms & touched:
                written += 1
                read += sum(room in rooms for room in pending)
        pending.clear()

    for at, rooms in told:
        if leaves is not None and at > leaves:
            flush()
            ends, leaves = leaves + tick, None
        pending += rooms
        if leaves is None:
            leaves = max(at, ends)
    flush()
    return written, read


def simulate(
    *,
    rate: float,
    rooms: int,
    tick: float,
    fixed: float,
    each: float,
    most: int,
    users: int,
    rooms_each: int,
    count: int,
    seed: int = 1,
) -> Happened:
    """One front, and so many actions."""
    chance = random.Random(seed)
    actions = list(arrivals(rate, rooms, count, chance))
    gathered = parcels(actions, tick)
    told = commits(gathered, fixed=fixed, each=each, most=most)
    looks_at = [set(chance.sample(range(rooms), rooms_each)) for _ in range(users)]
    written, read = writes(told, looks_at, tick)
    return Happened(
        seconds=told[-1][0],
        actions=count,
        parcels=len(gathered),
        batches=len(told),
        updates=sum(len(set(batch)) for _, batch in told),
        writes=written,
        read=read,
    )
