"""``bench plan``: what each thing costs each process, on the whole stack, and how well ``fluxwire plan`` predicts.

Crowds of many shapes are played to, and what each process took is explained by how often it did what (least squares):
those are the units (bench/costing.py). Then crowds that no unit comes from, at two sizes, are predicted from their
shape alone, and played to. ``python -m bench.costing`` makes the units of the last full run those of ``fluxwire plan``.
"""

import statistics
from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import groupby

import msgspec

from fluxwire.plan.costs import costs, memory
from fluxwire.plan.flows import flows
from fluxwire.plan.units import Units
from fluxwire.plan.workload import Workload

from .costing import Sample, Shape, costing, figures
from .crowd import Size, crowd, stage
from .database import Cluster, cluster
from .figures import Curve, Figure, alone
from .fit import stretch
from .harness import Options
from .processes import CORES

WARM = (50.0, 0.5)
"""Messages a second and seconds, before anything counts."""
SHAPES = (
    # Before others, who leave memory behind that these would have for nothing.
    Shape(Size(500, 10, private=8), ((50, 3),)),
    Shape(Size(200, 50), ((20, 5), (100, 4), (400, 4), (2000, 3))),
    Shape(Size(200, 2), ((200, 4), (2000, 3))),
    Shape(Size(4000, 20), ((1, 4), (25, 5), (100, 4))),
    Shape(Size(200, 10, length=1500), ((100, 4),)),
    Shape(Size(12_000, 100), ((60, 5),)),
    Shape(Size(4000, 20), ((200, 5),), tick_ms=100),
    Shape(Size(1600, 10), ((100, 4), (600, 4)), fronts=4),
    Shape(Size(2000, 10), ((100, 5),), balanced=True),
)
CHECKS = (
    Shape(Size(2000, 10), ((60, 5), (150, 5)) * 2),
    Shape(Size(10_000, 50), ((100, 6), (200, 6)) * 2, fronts=2, tick_ms=40),
)
QUICK_SHAPES = (
    Shape(Size(50, 10, private=8), ((50, 1),)),
    Shape(Size(100, 10), ((20, 1), (200, 1))),
    Shape(Size(300, 3), ((50, 1),)),
    Shape(Size(100, 10, length=1500), ((50, 1),)),
    Shape(Size(300, 10), ((100, 1),), balanced=True),
)
QUICK_CHECKS = (Shape(Size(200, 10), ((50, 1),)),)

SHARED = 20
"""Rounds after which a prediction has settled."""
PARTS = {"front": "front", "multiplexer": "multiplexer", "valkey": "redis", "postgres": "postgres"}
"""What processes are called here and in a sheet."""


def run(options: Options) -> Iterator[Figure]:
    """Measure."""
    with cluster() as servers:
        samples = list(measured(servers, QUICK_SHAPES if options.quick else SHAPES, options))
        found = costing(samples)
        yield from figures(found)
        checks = list(measured(servers, QUICK_CHECKS if options.quick else CHECKS, options))
    for name, pairs in compared(checks, found, options).items():
        error = max(abs(predicted / seen - 1) for predicted, seen in pairs)
        points = [(seen, predicted) for predicted, seen in sorted(pairs, key=lambda pair: pair[1])]
        curves = [Curve(name, "measured", "predicted", points, drawn="points")]
        yield alone(f"plan.{name}.error", [error], "of what was measured", "<= 0.25", curves=curves)


def measured(servers: Cluster, shapes: Sequence[Shape], options: Options) -> Iterator[Sample]:
    """Play to crowds of these shapes; those that follow each other share a stack if they can."""
    for (fronts, tick_ms, balanced), alike in groupby(shapes, lambda one: (one.fronts, one.tick_ms, one.balanced)):
        with stage(servers, fronts=fronts, tick_ms=tick_ms, balanced=balanced) as place:
            for shape in alike:
                with crowd(place, shape.size) as come:
                    come.play(*WARM)
                    for seed, (rate, seconds) in enumerate(shape.plays):
                        ran = come.play(rate, seconds, seed=seed)
                        yield Sample(shape, rate, ran, come.came, come.memory())
                        used = ", ".join(f"{kind} {cpu / ran.seconds:.1%}" for kind, cpu in ran.cpu.items())
                        options.say(
                            f"  {shape.size.clients} clients, {shape.size.rooms} rooms, {fronts} fronts, {tick_ms} ms:"
                            f" {rate:g} messages/s, {ran.deliveries / ran.seconds:,.0f} deliveries/s: {used}"
                        )


def compared(checks: Sequence[Sample], found: Units, options: Options) -> dict[str, list[tuple[float, float]]]:
    """What was predicted of each crowd and rate, and what was measured, on average over its plays."""
    pairs: dict[str, list[tuple[float, float]]] = defaultdict(list)
    ordered = sorted(checks, key=lambda one: (one.shape.size.clients, one.rate))
    for (clients, rate), group in groupby(ordered, key=lambda one: (one.shape.size.clients, one.rate)):
        plays = list(group)
        for name, (predicted, seen) in _pairs(plays, found).items():
            pairs[name].append((predicted, seen))
            options.say(
                f"  {clients} clients at {rate:g}/s, {name}: {predicted:.4g} predicted, {seen:.4g} measured,"
                f" {predicted / seen - 1:+.0%}"
            )
    return pairs


def stretched(found: Units, times: float) -> Units:
    """Units of a machine on which batches take so many times longer."""
    postgres = found.postgres
    return msgspec.structs.replace(
        found,
        postgres=msgspec.structs.replace(
            postgres,
            batch_seconds=times * postgres.batch_seconds,
            action_seconds=times * postgres.action_seconds,
            update_seconds=times * postgres.update_seconds,
        ),
    )


def _pairs(plays: Sequence[Sample], found: Units) -> dict[str, tuple[float, float]]:
    shape, last = plays[0].shape, plays[-1]
    fronts = shape.fronts
    # What came is known: the model is asked what it costs, not how the dice fell.
    rate = statistics.mean(play.ran.messages / play.ran.seconds for play in plays)
    load = Workload(
        users=shape.size.clients,
        rooms=shape.size.rooms,
        members=shape.size.clients // shape.size.rooms,
        rate=rate / shape.size.rooms,
        tick=shape.tick_ms / 1000,
        length=shape.size.length,
        fronts=fronts,
    )
    clients = statistics.mean(play.ran.load for play in plays)
    happens = flows(load, found, fronts)
    for _ in range(SHARED):
        # All of it shares these cores, which makes batches longer by the clock, and so larger, and so cheaper.
        cost = costs(load, found, fronts, happens)
        busy = fronts * cost.front + cost.multiplexer + cost.redis + cost.postgres + clients
        happens = flows(load, stretched(found, stretch(busy, len(CORES))), fronts)
    used = msgspec.to_builtins(costs(load, found, fronts, happens))
    held = memory(load, found, fronts, happens, entries=sum(play.ran.counts["batches"] for play in plays))

    def mean(of: str) -> float:
        return statistics.mean(play.ran.counts[of] / play.ran.seconds for play in plays)

    pairs = {}
    for kind, part in PARTS.items():
        each = fronts if kind == "front" else 1
        seen = statistics.mean(play.ran.cpu[kind] / play.ran.seconds for play in plays) / each
        pairs[f"cpu.{kind}"] = used[part], seen
    pairs["memory.front"] = held.front, last.memory["front"] / fronts
    pairs["memory.multiplexer"] = held.multiplexer, last.memory["multiplexer"]
    pairs["bytes"] = happens.bytes, mean("bytes") / fronts
    pairs["writes"] = happens.writes, mean("writes") / fronts
    pairs["redis.commands"] = happens.commands, mean("commands")
    pairs["redis.bytes"] = happens.redis_in + happens.redis_out, mean("redis_in") + mean("redis_out")
    pairs["batches"] = happens.batches, mean("batches")
    return pairs
