"""What one Fluxwire of a given shape costs each of its processes."""

from __future__ import annotations

import math
from dataclasses import dataclass

from broker.redis_bus import MAX_ENTRIES
from front.store_cache import RING_BYTES
from multiplexer.documents import MOST_BYTES
from multiplexer.settings import BATCH

from .flows import Flows, batch_time
from .rates import touched
from .units import Units
from .workload import Workload

LEAST_CLIENTS = 1000.0
"""With fewer clients a write does not become cheaper: what they take fits into the processor's caches."""


@dataclass(frozen=True, slots=True)
class Costs:
    """Shares of a core; of the fronts, of each."""

    front: float
    intake: float
    """What of it a front has, however few clients it holds: it takes what all say."""
    multiplexer: float
    redis: float
    postgres: float
    """All of its processes."""
    connection: float
    """The part of what the one connection can take on which batches run: it is busy long before it is full."""
    haproxy: float


def costs(workload: Workload, units: Units, fronts: int, flows: Flows) -> Costs:
    """Tell what it costs.

    Args:
        workload: Of this Fluxwire.
        units: What was measured.
        fronts: How many there are.
        flows: What happens a second.

    """
    front, multiplexer, redis, postgres = units.front, units.multiplexer, units.redis, units.postgres
    users = workload.users / fronts
    steady = front.second + front.update * flows.taken
    waking = front.read * flows.reads
    return Costs(
        front=_share(
            steady
            + front.client * users
            + front.action * flows.actions / fronts
            + write_cost(units, users) * flows.writes
            + front.byte * flows.bytes,
            waking,
        ),
        intake=_share(steady, waking),
        multiplexer=_share(
            multiplexer.second
            + multiplexer.action * flows.actions
            + multiplexer.update * flows.updates
            + multiplexer.entry * flows.entries,
            multiplexer.batch * flows.batches,
        ),
        redis=_share(redis.second + redis.byte * (flows.redis_in + flows.redis_out), redis.command * flows.commands),
        postgres=postgres.second
        + postgres.batch * flows.batches
        + postgres.action * flows.actions
        + postgres.update * flows.updates,
        connection=flows.actions / most_actions(workload.rooms, units),
        haproxy=units.haproxy.write * flows.writes * fronts,
    )


def _share(steady: float, waking: float) -> float:
    """How busy a process is, if waking up costs it the less the less it sleeps: share = steady + waking (1 - share)."""
    return (steady + waking) / (1 + waking)


def write_cost(units: Units, clients: float) -> float:
    """What a write to a client costs a front that has so many of them."""
    front = units.front
    return front.write * math.pow(max(clients, LEAST_CLIENTS) / front.write_clients, front.write_growth)


def most_actions(rooms: int, units: Units) -> float:
    """Actions a second into so many rooms that the one connection takes, batch after full batch."""
    return BATCH / batch_time(BATCH, rooms, units)


@dataclass(frozen=True, slots=True)
class Memory:
    """Bytes; of the fronts, of each. Of Postgres what its processes have for themselves, without shared buffers."""

    front: float
    multiplexer: float
    redis: float
    postgres: float
    haproxy: float


def memory(workload: Workload, units: Units, fronts: int, flows: Flows, *, entries: float = MAX_ENTRIES) -> Memory:
    """Tell what is held.

    Args:
        workload: Of this Fluxwire.
        units: What was measured.
        fronts: How many there are.
        flows: What happens a second.
        entries: How many batches there were, of which Redis and fronts keep some.

    """
    users = workload.users / fronts
    rooms = workload.rooms * touched(1 / fronts, workload.members)
    snapshot = snapshot_bytes(workload, units)
    batch = (flows.updates * units.wire.update + flows.actions * (units.wire.message + workload.length)) / max(
        flows.batches, 1e-9
    )
    said = entries * batch
    private = workload.private * users
    return Memory(
        front=units.front.memory
        + users * units.front.client_memory
        + rooms * snapshot
        # A store's ring of patches: as far as something was said.
        + min(said, rooms * max(RING_BYTES, 2 * snapshot))
        + private * units.front.private_memory,
        multiplexer=units.multiplexer.memory + min(MOST_BYTES, workload.rooms * snapshot),
        redis=units.redis.memory
        + min(entries, MAX_ENTRIES) * (batch + units.redis.entry_out)
        + fronts * private * units.redis.private_memory,
        postgres=units.postgres.memory,
        haproxy=workload.users * units.haproxy.client_memory,
    )


def snapshot_bytes(workload: Workload, units: Units) -> float:
    """Bytes of a room's document, whose window of messages is full."""
    return units.wire.snapshot + WINDOW * workload.length


WINDOW = 100
"""Messages that the example chat's rooms show."""
