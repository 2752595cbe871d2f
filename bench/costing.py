"""The units of ``fluxwire plan`` out of crowds that were played to: ``python -m bench.costing`` keeps the last run's.

Each is explained by least squares (bench/fit.py) out of what was counted: nothing here supposes how often anything
happens, which is what the model is about and what it is checked for.
"""

import math
import statistics
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import get_args, get_type_hints

import msgspec

from fluxwire.plan import units
from fluxwire.plan.costs import LEAST_CLIENTS
from fluxwire.plan.rates import distinct
from fluxwire.plan.units import Front, Haproxy, Multiplexer, Postgres, Redis, Units, Wire

from . import results
from .crowd import OF_MESSAGES, Came, Ran, Size
from .figures import Figure, alone
from .fit import least_squares
from .processes import Broken
from .results import Results

GROWTHS = [step / 50 for step in range(26)]
"""Powers of the number of clients that are tried: by which one writes become dearer is not a sum."""
IDLE = "front.idle_us_per_s"
PARTS = ("front", "multiplexer", "postgres", "redis", "wire", "haproxy")
FILLED = 100 * 100
"""Bytes of texts in a room's window."""


@dataclass(frozen=True, slots=True)
class Shape:
    """A stack, a crowd, and the rates at which it is played to, each for some seconds."""

    size: Size
    plays: tuple[tuple[float, float], ...]
    fronts: int = 1
    tick_ms: int = 4
    balanced: bool = False
    check: bool = False
    """Whether no unit is to come from it."""


@dataclass(frozen=True, slots=True)
class Sample:
    """A crowd, and what a rate took."""

    shape: Shape
    rate: float
    ran: Ran
    came: Came
    memory: Mapping[str, float]

    @property
    def per_front(self) -> float:
        """How many clients each front has."""
        return self.shape.size.clients / self.shape.fronts

    @property
    def entries(self) -> float:
        """How many entries of outcomes there were: a batch has actions of so many fronts."""
        batches = self.ran.counts["batches"]
        return batches * distinct(self.shape.fronts, self.ran.messages / batches)


def costing(samples: Sequence[Sample]) -> Units:
    """Find out what each thing costs.

    Args:
        samples: What was played.

    """
    crowds = list({id(sample.came): sample for sample in samples}.values())
    wire = _wire(samples, crowds)
    plain = [one for one in crowds if not one.shape.size.private and not one.shape.balanced]
    (private,) = (one for one in crowds if one.shape.size.private)
    # Of the largest, where a page more or less says little.
    largest = max(plain, key=lambda one: one.shape.size.clients)
    session = largest.came.cpu["front"] / largest.shape.size.clients
    client_memory = largest.came.memory["front"] / largest.shape.size.clients
    clients, stores = private.shape.size.clients, private.shape.size.clients * private.shape.size.private

    def each(kind: str, of_a_client: float = 0.0) -> float:
        return max(0.0, private.came.cpu[kind] - clients * of_a_client) / stores

    def held(kind: str, of_a_client: float = 0.0) -> float:
        return max(0.0, private.came.memory[kind] - clients * of_a_client) / stores

    front = _front(
        samples,
        session=session,
        private=each("front", session),
        memory=min(one.came.before["front"] / one.shape.fronts for one in crowds),
        client_memory=client_memory,
        private_memory=held("front", client_memory),
    )
    return Units(
        measured="",
        machine="",
        front=front,
        multiplexer=_multiplexer(samples, each("multiplexer")),
        postgres=_postgres(samples, each("postgres")),
        redis=_redis(samples, wire, held("valkey")),
        wire=wire,
        haproxy=_haproxy(samples),
    )


def _fit(samples: Sequence[Sample], took: Callable[[Sample], float], *counts: Callable[[Sample], float]) -> list[float]:
    usable = [one for one in samples if took(one) > 0]
    return least_squares([[count(one) for count in counts] for one in usable], [took(one) for one in usable])


def _seconds(one: Sample) -> float:
    return one.ran.seconds * one.shape.fronts


def _count(name: str) -> Callable[[Sample], float]:
    return lambda one: one.ran.counts[name]


def _sleeping(kind: str, name: str) -> Callable[[Sample], float]:
    """How often something found a process asleep: as likely as it sleeps."""
    return lambda one: one.ran.counts[name] * (1 - one.ran.cpu[kind] / one.ran.seconds / _processes(one, kind))


def _processes(one: Sample, kind: str) -> int:
    return one.shape.fronts if kind == "front" else 1


def _messages(one: Sample) -> float:
    return one.ran.messages


def _front(
    samples: Sequence[Sample],
    *,
    session: float,
    private: float,
    memory: float,
    client_memory: float,
    private_memory: float,
) -> Front:
    def cpu(one: Sample) -> float:
        return one.ran.cpu["front"]

    write_clients = max(one.per_front for one in samples)
    best = math.inf
    for growth in GROWTHS:

        def writes(one: Sample, growth: float = growth) -> float:
            return one.ran.counts["writes"] * math.pow(max(one.per_front, LEAST_CLIENTS) / write_clients, growth)

        counts = (_seconds, _messages, _sleeping("front", "xread"), _count("taken"), writes, _count("bytes"))
        found = _fit(samples, cpu, *counts)
        rest = math.fsum(
            (math.fsum(unit * count(one) for unit, count in zip(found, counts, strict=True)) / cpu(one) - 1) ** 2
            for one in samples
        )
        if rest < best:
            best, chosen, write_growth = rest, found, growth
    second, action, read, update, write, byte = chosen
    return Front(
        second=second,
        client=0.0,  # of plays of a few seconds nothing of it shows
        action=action,
        read=read,
        update=update,
        write=write,
        write_clients=write_clients,
        write_growth=write_growth,
        byte=byte,
        session=session,
        private=private,
        memory=memory,
        client_memory=client_memory,
        private_memory=private_memory,
    )


def _multiplexer(samples: Sequence[Sample], private: float) -> Multiplexer:
    def cpu(one: Sample) -> float:
        return one.ran.cpu["multiplexer"]

    def seconds(one: Sample) -> float:
        return one.ran.seconds

    def entries(one: Sample) -> float:
        return one.entries

    second, batch, action, update, entry = _fit(
        samples, cpu, seconds, _sleeping("multiplexer", "batches"), _messages, _count("published"), entries
    )
    memory = min(one.came.before["multiplexer"] for one in samples)
    return Multiplexer(second, batch, action, update, entry, private, memory)


def _postgres(samples: Sequence[Sample], private: float) -> Postgres:
    def seconds(one: Sample) -> float:
        return one.ran.seconds

    def text(one: Sample) -> float:
        return one.ran.messages * one.shape.size.length

    def beside_text(name: str) -> float:
        return max(0.0, statistics.median((one.ran.stored[name] - text(one)) / one.ran.messages for one in many))

    many = [one for one in samples if one.ran.messages >= min(100, max(one.ran.messages for one in samples))]
    second, batch, action, update = _fit(
        samples, lambda one: one.ran.cpu["postgres"], seconds, _count("batches"), _messages, _count("published")
    )
    batch_seconds = statistics.median(beside_actions(one, action, update) for one in samples)
    batch_wal, wal, texts = _fit(many, lambda one: one.ran.stored["wal"], _count("batches"), _messages, text)
    return Postgres(
        second=second,
        batch=batch,
        action=action,
        update=update,
        private=private,
        batch_seconds=batch_seconds,
        memory=statistics.median(one.memory["postgres"] for one in samples),
        wal=wal,
        log=beside_text("log"),
        table=beside_text("messages"),
        texts=texts,
        batch_wal=batch_wal,
    )


def beside_actions(one: Sample, action: float, update: float) -> float:
    """How long a batch kept the connection by the clock beside what it did: round trips, and the disk's commit.

    Args:
        one: What was played.
        action: Seconds of an action.
        update: Seconds of a store that a batch changed.

    """
    counts = one.ran.counts
    return (
        max(0.0, counts["batch_seconds"] - action * one.ran.messages - update * counts["published"]) / counts["batches"]
    )


def _wire(samples: Sequence[Sample], crowds: Sequence[Sample]) -> Wire:
    def delivered(one: Sample) -> float:
        return one.ran.deliveries

    def updates(one: Sample) -> float:
        return one.ran.counts["published"] * one.shape.size.clients / one.shape.size.rooms

    def beside_text(one: Sample) -> float:
        return one.ran.counts["bytes"] - one.shape.size.length * one.ran.deliveries

    update, message, outcome = _fit(samples, beside_text, updates, delivered, _messages)
    snapshots = [
        one.came.bytes / one.shape.size.clients - FILLED
        for one in crowds
        if not one.shape.size.private and one.shape.size.length * 100 == FILLED
    ]
    return Wire(update, message, outcome, statistics.median(snapshots))


def _redis(samples: Sequence[Sample], wire: Wire, private_memory: float) -> Redis:
    alone = [one for one in samples if one.shape.fronts == 1]

    def traffic(one: Sample) -> float:
        return one.ran.counts["redis_in"] + one.ran.counts["redis_out"]

    def seconds(one: Sample) -> float:
        return one.ran.seconds

    def told(one: Sample) -> float:
        message = wire.message + one.shape.size.length
        return one.ran.counts["published"] * wire.update + one.ran.messages * message

    def came_in(one: Sample) -> float:
        return one.ran.counts["redis_in"] - 2 * one.shape.size.length * one.ran.messages

    def went_out(one: Sample) -> float:
        text = one.shape.size.length * one.ran.messages
        return one.ran.counts["redis_out"] - text - one.shape.fronts * told(one)

    def entries(one: Sample) -> float:
        return one.shape.fronts * one.ran.counts["batches"]

    def other_commands(one: Sample) -> float:
        of_messages = sum(one.ran.counts[name] for name in OF_MESSAGES)
        return (one.ran.counts["commands"] - of_messages) / one.ran.seconds

    second, command, byte = _fit(
        samples, lambda one: one.ran.cpu["valkey"], seconds, _sleeping("valkey", "commands"), traffic
    )
    action_in, batch_in, _ = _fit(samples, came_in, _messages, _count("batches"), _seconds)
    action_out, entry_out, _ = _fit(samples, went_out, _messages, entries, _seconds)
    return Redis(
        second=second,
        command=command,
        byte=byte,
        front_commands=statistics.median(map(other_commands, alone)),
        action_in=action_in,
        batch_in=batch_in,
        action_out=action_out,
        entry_out=entry_out,
        private_memory=private_memory,
        memory=min(one.came.before["valkey"] for one in samples),
    )


def _haproxy(samples: Sequence[Sample]) -> Haproxy:
    (one,) = (one for one in samples if one.shape.balanced)
    clients = one.shape.size.clients
    return Haproxy(
        write=one.ran.cpu["haproxy"] / one.ran.counts["writes"],
        session=one.came.cpu["haproxy"] / clients,
        client_memory=one.came.memory["haproxy"] / clients,
    )


def figures(found: Units) -> Iterator[Figure]:
    """Units as figures, ``plan.<process>.<unit>``."""
    for part in PARTS:
        costs = getattr(found, part)
        hints = get_type_hints(type(costs), include_extras=True)
        for name, value in msgspec.structs.asdict(costs).items():
            (meta,) = get_args(hints[name])[1:]
            yield alone(f"plan.{part}.{name}", [value], meta.description)


def from_figures(kept: Results, of_front: Results) -> Units:
    """Units out of kept figures.

    Args:
        kept: Of the group ``plan``.
        of_front: Of the group ``front``, which knows what a quiet client costs, heartbeats and all.

    Raises:
        Broken: One of the two has not been measured.

    """
    idle = next((one.figure.value for one in of_front.figures if one.figure.name == IDLE), None)
    if idle is None or not kept.figures:
        raise Broken(f"nothing is kept of {'plan' if idle else IDLE}: run bench {'plan' if idle else IDLE} first")
    parts: dict[str, dict[str, float]] = {part: {} for part in PARTS}
    for one in kept.figures:
        _, part, name = one.figure.name.split(".", 2)
        # What is kept of earlier runs may be of units that there are no more.
        if part in parts and name in get_type_hints(get_type_hints(Units)[part]):
            parts[part][name] = one.figure.value
            run = kept.run_of(one)
    parts["front"]["client"] = idle / 1e6
    here = run.machine
    machine = f"{here.cores} cores of {here.processor}, {here.kernel}"
    return msgspec.convert({"measured": run.began[:10], "machine": machine, **parts}, Units)


def main() -> int:
    """Make the figures of the last full run the units of ``fluxwire plan``."""
    found = from_figures(results.read(results.FULL, "plan"), results.read(results.FULL, "front"))
    units.FILE.write_bytes(units.encode(found))
    return 0


if __name__ == "__main__":
    sys.exit(main())
