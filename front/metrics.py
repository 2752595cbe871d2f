"""What a front counts, and what of it there is to tell (docs/operations.md, Metrics).

Whatever runs once per delivery counts nothing: counts are taken once per tick, for all who get the same bytes.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from broker.metrics import Codes, Histogram, Page, by


@dataclass(slots=True)
class Metrics:
    """What a front counts while it works, since its start."""

    opened: int = 0
    writes: int = 0
    bytes: int = 0
    updates: int = 0
    blocked: int = 0
    actions: int = 0
    missed: int = 0
    bus_losses: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    refused: Codes = field(default_factory=Codes)
    lag: Histogram = field(default_factory=Histogram)
    waits: Histogram = field(default_factory=Histogram)

    def wrote(self, clients: int, size: int) -> None:
        """So many clients got so many bytes each."""
        self.writes += clients
        self.bytes += clients * size

    def answered(self, status: str, code: str | None, seconds: float) -> None:
        """An action has its outcome, so many seconds after it came."""
        self.outcomes[status] += 1
        self.waits.observe(seconds)
        if code is not None:
            self.refuse(code)

    def refuse(self, code: str) -> None:
        """A client was told an error."""
        self.refused.note(code)


@dataclass(frozen=True, slots=True)
class Standing:
    """What there is on a front just now."""

    clients: int
    subscriptions: int
    stores: int
    blocked: int
    queued: int
    under_way: int


@dataclass(frozen=True, slots=True)
class Front:
    """Which front it is, and what it can do just now."""

    name: str
    ready: bool
    intake: float
    """Clients a second that it can take."""


def exposition(metrics: Metrics, standing: Standing, front: Front, *, closed: Mapping[int, int]) -> str:
    """Write everything down.

    Args:
        metrics: What was counted.
        standing: What there is.
        front: Of which front.
        closed: How often each close code and each status of HTTP refused somebody.

    """
    page = Page()
    page.add("info", "gauge", "Which front this is.", [({"front": front.name}, 1)])
    page.add("ready", "gauge", "Whether it can serve clients.", int(front.ready))
    page.add("intake_rate", "gauge", "Clients a second that it can take, as it has measured.", front.intake)
    page.add("opened_total", "counter", "WebSockets and streams that were let in.", metrics.opened)
    page.add("connections", "gauge", "Clients that were let in, over whatever they came.", standing.clients)
    page.add("subscriptions", "gauge", "Stores that clients subscribe to.", standing.subscriptions)
    page.add("stores", "gauge", "Stores that are kept here.", standing.stores)
    page.add("blocked_connections", "gauge", "Clients that do not read fast enough.", standing.blocked)
    page.add("queue_messages", "gauge", "Messages that wait for the action bus.", standing.queued)
    page.add("actions_under_way", "gauge", "Actions without outcome.", standing.under_way)
    page.add("actions_total", "counter", "Actions sent to the multiplexer.", metrics.actions)
    page.add("outcomes_total", "counter", "Outcomes of actions, by status.", by("status", metrics.outcomes))
    page.add_histogram("action_seconds", "From an action's frame to its outcome.", metrics.waits)
    page.add("updates_total", "counter", "Updates of stores taken from the bus.", metrics.updates)
    page.add("deliveries_total", "counter", "Writes to clients: all of a tick for one is one.", metrics.writes)
    page.add("bytes_total", "counter", "Bytes of deliveries.", metrics.bytes)
    page.add("collapsed_total", "counter", "Times that a client fell behind and was put off.", metrics.blocked)
    page.add("refusals_total", "counter", "Errors told to clients, by code.", by("code", metrics.refused))
    page.add("closes_total", "counter", "Clients refused, by close code or status of HTTP.", by("code", closed))
    page.add("missed_total", "counter", "Times that messages of the update bus were missed.", metrics.missed)
    page.add("bus_losses_total", "counter", "Times that the bus was lost.", metrics.bus_losses)
    page.add_histogram("lag_seconds", "From the doorbell of a commit to the sockets, once per commit.", metrics.lag)
    return page.text()
