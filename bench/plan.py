"""``bench plan``: what each thing costs each process, on the whole stack, and how well ``fluxwire plan`` predicts.

Crowds of many shapes are played to, and what each process took is explained by how often it did what (least squares):
those are the units (bench/costing.py). Then crowds that no unit comes from, at two sizes, are predicted from their
shape alone, and played to. ``python -m bench.costing`` makes the units of the last full run those of ``fluxwire plan``.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import groupby

import msgspec

from fluxwire.plan.costs import costs, memory
from fluxwire.plan.flows import flows
from fluxwire.plan.units import Units
from fluxwire.plan.workload import Workload

from .costing import Sample, Shape, beside_actions, costing, figures
from .crowd import Size, crowd, stage
from .database import Cluster, cluster
from .figures import Curve, Figure, alone
from .harness import Options

WARM = (50.0, 0.5)
"""Messages a second and seconds, before anything counts."""
SHAPES = (
    Shape(Size(200, 50), ((20, 5), (100, 4), (400, 4), (2000, 3))),
    # Among the others, so that what drifts is in both; before larger ones, who leave memory behind.
    Shape(Size(2000, 10), ((60, 4), (150, 4)) * 3, check=True),
    Shape(Size(4000, 20), ((1, 4), (25, 5), (100, 4))),
    Shape(Size(200, 2), ((200, 4), (2000, 3))),
    Shape(Size(200, 10, length=1500), ((100, 4),)),
    Shape(Size(12_000, 100), ((60, 5),)),
    Shape(Size(500, 10, private=8), ((50, 3),), tick_ms=100),
    Shape(Size(4000, 20), ((200, 5),), tick_ms=100),
    Shape(Size(10_000, 50), ((100, 5), (200, 5)) * 3, fronts=2, tick_ms=40, check=True),
    Shape(Size(1600, 10), ((100, 4), (600, 4)), fronts=4),
    Shape(Size(2000, 10), ((100, 5),), balanced=True),
)
QUICK_SHAPES = (
    Shape(Size(50, 10, private=8), ((50, 1),)),
    Shape(Size(100, 10), ((20, 1), (200, 1))),
    Shape(Size(200, 10), ((50, 1),), check=True),
    Shape(Size(300, 3), ((50, 1),)),
    Shape(Size(100, 10, length=1500), ((50, 1),)),
    Shape(Size(300, 10), ((100, 1),), balanced=True),
)
PARTS = {"front": "front", "multiplexer": "multiplexer", "valkey": "redis", "postgres": "postgres"}
"""What processes are called here and in a sheet."""


def run(options: Options) -> Iterator[Figure]:
    """Measure."""
    with cluster() as servers:
        played = list(measured(servers, QUICK_SHAPES if options.quick else SHAPES, options))
    found = costing([one for one in played if not one.shape.check])
    yield from figures(found)
    checks = [one for one in played if one.shape.check]
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
    """What was predicted of each crowd and rate, and what was measured, of the play in the middle."""
    pairs: dict[str, list[tuple[float, float]]] = defaultdict(list)
    ordered = sorted(checks, key=lambda one: (one.shape.size.clients, one.rate))
    for (clients, rate), group in groupby(ordered, key=lambda one: (one.shape.size.clients, one.rate)):
        plays = [_pairs(play, found) for play in group]
        for name in plays[0]:
            # The one in the middle: the disk may stop for seconds in one of them.
            predicted, seen = sorted((play[name] for play in plays), key=_ratio)[len(plays) // 2]
            pairs[name].append((predicted, seen))
            options.say(
                f"  {clients} clients at {rate:g}/s, {name}: {predicted:.4g} predicted, {seen:.4g} measured,"
                f" {predicted / seen - 1:+.0%}"
            )
    return pairs


def _ratio(pair: tuple[float, float]) -> float:
    return pair[0] / pair[1]


def _pairs(play: Sample, found: Units) -> dict[str, tuple[float, float]]:
    shape, ran = play.shape, play.ran
    fronts = shape.fronts
    load = Workload(
        users=shape.size.clients,
        rooms=shape.size.rooms,
        members=shape.size.clients // shape.size.rooms,
        # What came is known: the model is asked what it costs, not how the dice fell.
        rate=ran.messages / ran.seconds / shape.size.rooms,
        tick=shape.tick_ms / 1000,
        length=shape.size.length,
        fronts=fronts,
    )
    # How long the disk takes for a commit, and others keep the cores, no shape tells.
    postgres = found.postgres
    waits = beside_actions(play, postgres.action, postgres.update)
    here = msgspec.structs.replace(found, postgres=msgspec.structs.replace(postgres, batch_seconds=waits))
    happens = flows(load, here, fronts)
    used = msgspec.to_builtins(costs(load, here, fronts, happens))
    held = memory(load, here, fronts, happens, entries=ran.counts["batches"])
    counted = {name: count / ran.seconds for name, count in ran.counts.items()}
    pairs = {
        f"cpu.{kind}": (used[part], ran.cpu[kind] / ran.seconds / (fronts if kind == "front" else 1))
        for kind, part in PARTS.items()
    }
    pairs["memory.front"] = held.front, play.memory["front"] / fronts
    pairs["memory.multiplexer"] = held.multiplexer, play.memory["multiplexer"]
    pairs["bytes"] = happens.bytes, counted["bytes"] / fronts
    pairs["writes"] = happens.writes, counted["writes"] / fronts
    pairs["redis.commands"] = happens.commands, counted["commands"]
    pairs["redis.bytes"] = happens.redis_in + happens.redis_out, counted["redis_in"] + counted["redis_out"]
    pairs["batches"] = happens.batches, counted["batches"]
    return pairs
