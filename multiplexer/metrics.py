"""What a multiplexer counts, and what of it there is to tell (docs/operations.md, Metrics)."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum

from broker.messages import Outcome
from broker.metrics import MOST_CODES, OTHER, Histogram, Page, by

BATCHES = (1.0, 2.0, 5.0, 10.0, 20.0, 40.0, 60.0, 100.0)
"""Upper bounds of the buckets of batches, in actions."""


class Standing(Enum):
    """What a multiplexer does."""

    AWAY = "the database or the bus does not answer"
    STANDS_BY = "stands by"
    LEADS = "leads"


@dataclass(slots=True)
class Metrics:
    """What a multiplexer counts while it works, since its start."""

    standing: Standing = Standing.AWAY
    term: int = 0
    leads: int = 0
    lead_ends: Counter[str] = field(default_factory=Counter)
    batches: Counter[str] = field(default_factory=Counter)
    batch_actions: Histogram = field(default_factory=lambda: Histogram(BATCHES))
    batch_seconds: Histogram = field(default_factory=Histogram)
    outcomes: Counter[tuple[str, str]] = field(default_factory=Counter)
    bus_lag: Histogram = field(default_factory=Histogram)
    bus_losses: int = 0
    questions: Counter[str] = field(default_factory=Counter)
    commits: int = 0
    updates: int = 0
    publish: Histogram = field(default_factory=Histogram)
    renders: Counter[str] = field(default_factory=Counter)
    render_seconds: Histogram = field(default_factory=Histogram)

    def answered(self, outcomes: Iterable[Outcome]) -> None:
        """These actions have their outcomes."""
        for outcome in outcomes:
            kind = (outcome.status, outcome.error.code if outcome.error is not None else "")
            if kind not in self.outcomes and len(self.outcomes) >= MOST_CODES:
                kind = (outcome.status, OTHER)
            self.outcomes[kind] += 1

    def rendered(self, good: int, failed: int, seconds: float) -> None:
        """One query rendered so many stores, in so many seconds."""
        self.renders["ok"] += good
        self.renders["failed"] += failed
        self.render_seconds.observe(seconds)


@dataclass(frozen=True, slots=True)
class Queues:
    """What waits just now."""

    waiting: int
    """Actions that wait for their batch."""
    held: int
    """Actions that wait because one of their lane met a fault that passes."""
    parcels: int | None
    """Parcels on the action bus; None: it does not answer."""


def exposition(metrics: Metrics, queues: Queues, *, name: str) -> str:
    """Write everything down.

    Args:
        metrics: What was counted.
        queues: What waits.
        name: The multiplexer's name.

    """
    page = Page()

    def add(metric: str, kind: str, about: str, samples: Iterable[tuple[Mapping[str, str], float]] | float) -> None:
        page.add(f"multiplexer_{metric}", kind, about, samples)

    def histogram(metric: str, about: str, values: Histogram) -> None:
        page.add_histogram(f"multiplexer_{metric}", about, values)

    outcomes = [({"status": status, "code": code}, count) for (status, code), count in metrics.outcomes.items()]
    add("info", "gauge", "Which multiplexer this is.", [({"name": name}, 1)])
    add("ready", "gauge", "Whether it leads or stands by.", int(metrics.standing is not Standing.AWAY))
    add("leading", "gauge", "Whether it leads.", int(metrics.standing is Standing.LEADS))
    add("term", "gauge", "The term it leads or led last; 0: none yet.", metrics.term)
    add("leads_total", "counter", "Times that it took the lead.", metrics.leads)
    add("lead_ends_total", "counter", "Leads that ended, by what ended them.", by("cause", metrics.lead_ends))
    add("waiting_actions", "gauge", "Actions that wait for their batch.", queues.waiting)
    add("held_actions", "gauge", "Actions held back for a while, after a fault that passes.", queues.held)
    if queues.parcels is not None:
        page.add("bus_parcels", "gauge", "Parcels on the action bus that no commit has acknowledged.", queues.parcels)
    page.add_histogram("bus_lag_seconds", "From a parcel's append to its receipt.", metrics.bus_lag)
    add("bus_losses_total", "counter", "Times that the bus was lost.", metrics.bus_losses)
    add("batches_total", "counter", "Batches of actions, by what became of them.", by("result", metrics.batches))
    histogram("batch_actions", "Actions in a batch.", metrics.batch_actions)
    histogram("batch_seconds", "From a batch's dispatch to its commit.", metrics.batch_seconds)
    add("outcomes_total", "counter", "Outcomes of actions, by status and code.", outcomes)
    add("questions_total", "counter", "Questions of fronts, by kind.", by("kind", metrics.questions))
    add("commits_total", "counter", "Commits that fronts were told of.", metrics.commits)
    add("updates_total", "counter", "Updates of stores that fronts were told.", metrics.updates)
    histogram("publish_seconds", "From the doorbell of a commit to when it was told to fronts.", metrics.publish)
    add("renders_total", "counter", "Renders of stores, by result.", by("result", metrics.renders))
    histogram("render_seconds", "How long a query rendered; it may render several stores.", metrics.render_seconds)
    return page.text()
