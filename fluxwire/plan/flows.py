"""What happens a second in one Fluxwire of a given shape, before it is asked what that costs."""

from __future__ import annotations

from dataclasses import dataclass

from front.hub import PARCEL
from multiplexer.settings import BATCH

from .rates import Parcels, batch_size, distinct, gap, touched
from .units import Units
from .workload import Workload

SEGMENT, HEADERS = 1448, 66
"""Bytes that a segment of TCP carries over Ethernet, and what is around them: Ethernet 14, IPv4 20, TCP 32."""


@dataclass(frozen=True, slots=True)
class Flows:
    """All a second, of one Fluxwire; what is of a front is of each."""

    actions: float
    batch: float
    """Actions in a transaction."""
    batches: float
    updates: float
    """Stores changed by a transaction, one each."""
    entries: float
    """Of the streams that fronts have each for itself: outcomes."""
    parcels: float
    reads: float
    """Of a front."""
    taken: float
    """Updates of a front."""
    writes: float
    """Of a front, to clients."""
    joined: float
    """Messages in a write."""
    bytes: float
    """Of a front, to clients."""
    commands: float
    """Of Redis."""
    redis_in: float
    """Bytes."""
    redis_out: float
    """Bytes."""

    def network(self, fronts: int) -> float:
        """Bytes to clients with all that is around them, of all fronts."""
        if not self.writes:
            return 0.0
        segments = self.writes * max(1.0, self.bytes / self.writes / SEGMENT)
        return fronts * (self.bytes + HEADERS * segments)


def batch_time(actions: float, rooms: int, units: Units) -> float:
    """Seconds for which a batch of so many actions into so many rooms keeps the one connection."""
    postgres = units.postgres
    changed = distinct(float(rooms), actions)
    return postgres.batch_seconds + actions * postgres.action + changed * postgres.update


def flows(workload: Workload, units: Units, fronts: int) -> Flows:
    """Tell what happens.

    Args:
        workload: Of this Fluxwire.
        units: What was measured.
        fronts: How many there are.

    """
    actions, wire, redis = workload.actions, units.wire, units.redis
    users = workload.users / fronts
    parcel = batch = 1.0
    share = writes = joined = 0.0
    if actions:
        parcels = Parcels(actions, fronts, workload.tick, float(PARCEL))
        parcel = parcels.size
        batch = batch_size(parcels, lambda size: batch_time(size, workload.rooms, units), most=float(BATCH))
        share = distinct(workload.rooms, batch) / workload.rooms
        seconds, period = batch_time(batch, workload.rooms, units), batch / actions
        # One front's parcels are as far apart as its writes.
        spaced = max(seconds, workload.tick) if fronts == 1 else seconds
        apart = gap(1 / period, apart=min(spaced, period), tick=workload.tick)
        writes = users * touched(share, apart / period * workload.rooms_each) / apart
        joined = workload.deliveries / fronts / writes
    batches = actions / batch
    updates = batches * share * workload.rooms
    entries = batches * distinct(fronts, batch / parcel)
    held = touched(1 / fronts, workload.members)
    # A front waits a second for news at most, and reads its outcomes with what everybody is told.
    reads = max(1.0, batches)
    message = wire.message + workload.length
    told = updates * wire.update + actions * message
    return Flows(
        actions=actions,
        batch=batch,
        batches=batches,
        updates=updates,
        entries=entries,
        parcels=actions / parcel,
        reads=reads,
        taken=updates * held,
        writes=writes + actions / fronts,
        joined=joined,
        bytes=users * workload.rooms_each * told / workload.rooms + actions / fronts * wire.outcome,
        # A parcel is appended and received, a batch published, acknowledged and forgotten, in a transaction, which is
        # two more; a front forgets what it has read of its own.
        commands=fronts * (redis.front_commands + reads) + 2 * actions / parcel + 5 * batches + 2 * entries,
        redis_in=actions * (redis.action_in + 2 * workload.length) + batches * redis.batch_in,
        redis_out=actions * (redis.action_out + workload.length) + fronts * (told + batches * redis.entry_out),
    )
