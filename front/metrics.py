"""What a front tells of itself, in the text format of Prometheus (docs/operations.md, Metrics).

Whatever runs once per delivery counts nothing: counts are taken once per tick, for all who get the same bytes, and what
can be looked up is looked up when somebody asks.
"""

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

LAGS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Upper bounds of the lag's buckets, in seconds."""

MOST_CODES = 200
"""Codes told apart at most: an application makes its own."""

OTHER = "other"


class Histogram:
    """How often something was at most so much."""

    __slots__ = ("_bounds", "_counts", "_sum")

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self._bounds = bounds
        self._counts = [0] * (len(bounds) + 1)
        self._sum = 0.0

    def observe(self, value: float) -> None:
        """It was so much."""
        self._counts[bisect_left(self._bounds, value)] += 1
        self._sum += value

    def samples(self) -> Iterable[tuple[str, Mapping[str, str], float]]:
        """The samples: what follows the metric's name, labels, and value."""
        total = 0
        for bound, count in zip((*map(str, self._bounds), "+Inf"), self._counts, strict=True):
            total += count
            yield "_bucket", {"le": bound}, total
        yield "_sum", {}, self._sum
        yield "_count", {}, total


@dataclass(slots=True)
class Metrics:
    """What a front counts while it works, since its start."""

    writes: int = 0
    bytes: int = 0
    updates: int = 0
    blocked: int = 0
    actions: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    lag: Histogram = field(default_factory=lambda: Histogram(LAGS))

    def wrote(self, clients: int, size: int) -> None:
        """So many clients got so many bytes each."""
        self.writes += clients
        self.bytes += clients * size

    def answered(self, status: str, code: str | None) -> None:
        """An action has its outcome."""
        self.outcomes[status] += 1
        if code is not None:
            self.refuse(code)

    def refuse(self, code: str) -> None:
        """A client was told an error."""
        self.refused[code if code in self.refused or len(self.refused) < MOST_CODES else OTHER] += 1


@dataclass(frozen=True, slots=True)
class Standing:
    """What there is on a front just now."""

    clients: int
    subscriptions: int
    stores: int
    blocked: int
    queued: int
    under_way: int


def exposition(metrics: Metrics, standing: Standing, *, front: str, ready: bool, closed: Mapping[int, int]) -> str:
    """Write everything down.

    Args:
        metrics: What was counted.
        standing: What there is.
        front: The front's id.
        ready: Whether clients can be served.
        closed: How often each close code and each status of HTTP refused somebody.

    """
    page = _Page()
    page.add("info", "gauge", "Which front this is.", [({"front": front}, 1)])
    page.add("ready", "gauge", "Whether it can serve clients.", [({}, int(ready))])
    page.add("connections", "gauge", "Clients that were let in, over whatever they came.", [({}, standing.clients)])
    page.add("subscriptions", "gauge", "Stores that clients subscribe to.", [({}, standing.subscriptions)])
    page.add("stores", "gauge", "Stores that are kept here.", [({}, standing.stores)])
    page.add("blocked_connections", "gauge", "Clients that do not read fast enough.", [({}, standing.blocked)])
    page.add("queue_messages", "gauge", "Messages that wait for the action bus.", [({}, standing.queued)])
    page.add("actions_under_way", "gauge", "Actions without outcome.", [({}, standing.under_way)])
    page.add("actions_total", "counter", "Actions sent to the multiplexer.", [({}, metrics.actions)])
    page.add("outcomes_total", "counter", "Outcomes of actions, by status.", _by("status", metrics.outcomes))
    page.add("updates_total", "counter", "Updates of stores taken from the bus.", [({}, metrics.updates)])
    page.add("deliveries_total", "counter", "Writes to clients: all of a tick for one is one.", [({}, metrics.writes)])
    page.add("bytes_total", "counter", "Bytes of deliveries.", [({}, metrics.bytes)])
    page.add("collapsed_total", "counter", "Times that a client fell behind and was put off.", [({}, metrics.blocked)])
    page.add("refusals_total", "counter", "Errors told to clients, by code.", _by("code", metrics.refused))
    page.add("closes_total", "counter", "Clients refused, by close code or status of HTTP.", _by("code", closed))
    page.header("lag_seconds", "histogram", "From the doorbell at the multiplexer to the sockets, once per commit.")
    for suffix, labels, value in metrics.lag.samples():
        page.sample(f"lag_seconds{suffix}", labels, value)
    return page.text()


def _by(label: str, counts: Mapping[str, int] | Mapping[int, int]) -> list[tuple[dict[str, str], float]]:
    return [({label: str(value)}, count) for value, count in counts.items()]


class _Page:
    def __init__(self) -> None:
        self._lines: list[str] = []

    def header(self, name: str, kind: str, about: str) -> None:
        self._lines += [f"# HELP fluxwire_{name} {about}", f"# TYPE fluxwire_{name} {kind}"]

    def sample(self, name: str, labels: Mapping[str, str], value: float) -> None:
        inside = ",".join(f'{label}="{_escaped(text)}"' for label, text in labels.items())
        self._lines.append(f"fluxwire_{name}{{{inside}}} {value}" if inside else f"fluxwire_{name} {value}")

    def add(self, name: str, kind: str, about: str, samples: Iterable[tuple[Mapping[str, str], float]]) -> None:
        self.header(name, kind, about)
        for labels, value in samples:
            self.sample(name, labels, value)

    def text(self) -> str:
        return "\n".join(self._lines) + "\n"


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
