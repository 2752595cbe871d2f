"""Actions into batches, batches into outcomes: which action goes when, and what becomes of one that hurts.

Pure: no clock, no I/O. ``loop`` feeds it deliveries, asks it for the next batch, and tells it how that went.

Exactly-once is not made here but in ``flux.dispatch``, by the clients' numbers: running an action again is always
safe. What is made here is that nobody waits for a bad neighbour longer than a bounded while, and that an action
that takes its batch down with it ends by itself.
"""

from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass, field

import orjson

from broker.bus import Delivery
from broker.messages import Action, Error, Outcome

from .database import Result

MAX_LOSSES = 3
"""After so many batches lost with an action in them it runs alone; lost alone, it is refused as ``poison``."""

ONLY_LANE = 0

Identity = tuple[str, str, int, int]
"""Actor, client, lane and number: what makes an action this one and no other."""


def identity(action: Action) -> Identity:
    """Tell which action this is, however often it was sent."""
    return action.actor, action.client, action.lane, action.number


@dataclass(slots=True, eq=False)
class Job:
    """An action on its way, with the delivery it came in."""

    front: str
    action: Action
    delivery: Delivery
    refusal: str | None = None
    """A code to refuse it with instead of running it."""
    alone: bool = False


@dataclass(slots=True)
class Settled:
    """What a batch led to: outcomes by front, and the deliveries that are now wholly done."""

    outcomes: dict[str, list[Outcome]] = field(default_factory=dict)
    done: list[Delivery] = field(default_factory=list)
    retry: bool = False
    """Some action met a transient fault: wait a moment before the next batch."""

    def add(self, job: Job, outcome: Outcome) -> None:
        """Note the outcome of a job."""
        self.outcomes.setdefault(job.front, []).append(outcome)


class Dispatcher:
    """Order and fate of actions.

    Args:
        batch: Most actions in one batch.

    """

    def __init__(self, *, batch: int) -> None:
        self._batch = batch
        self._queue: deque[Job] = deque()
        self._open_jobs: Counter[int] = Counter()
        # By id(delivery): each job keeps its delivery alive.
        self._losses: Counter[Identity] = Counter()

    def restart(self) -> None:
        """Forget what is queued: the bus hands it out again. What actions have done to batches is remembered."""
        self._queue.clear()
        self._open_jobs.clear()

    @property
    def waiting(self) -> int:
        """How many actions wait for a batch."""
        return len(self._queue)

    def add(self, deliveries: Sequence[Delivery]) -> Settled:
        """Queue the actions of deliveries; what needs no batch (no action, a lane there is not) is settled at once."""
        settled = Settled()
        for delivery in deliveries:
            jobs = [
                Job(delivery.parcel.front, message, delivery)
                for message in delivery.parcel.messages
                if isinstance(message, Action)
            ]
            for job in jobs:
                if job.action.lane == ONLY_LANE:
                    self._queue.append(job)
                    self._open_jobs[id(delivery)] += 1
                else:
                    settled.add(job, _invalid(job.action, "unknown_lane", "There is only lane 0."))
            if id(delivery) not in self._open_jobs:
                settled.done.append(delivery)
        return settled

    def next_batch(self) -> list[Job]:
        """Take the next batch, oldest first; empty if nothing waits."""
        batch: list[Job] = []
        while self._queue and len(batch) < self._batch:
            job = self._queue[0]
            alone = job.alone or job.refusal is not None or self._losses[identity(job.action)] >= MAX_LOSSES
            if alone and batch:
                break
            batch.append(self._queue.popleft())
            if alone:
                job.alone = True
                if self._losses[identity(job.action)] > MAX_LOSSES:
                    job.refusal = "poison"
                break
        return batch

    def settle(self, batch: Sequence[Job], results: Sequence[Result]) -> Settled:
        """Take the results of a batch that was committed, in its order."""
        settled = Settled()
        again: list[Job] = []
        for job, result in zip(batch, results, strict=True):
            if result.status == "retry":
                again.append(job)
                continue
            self._losses.pop(identity(job.action), None)
            settled.add(job, _outcome(job.action, result))
            self._close(job, settled)
        # In their old order and before everything that came later: a client's actions stay in sequence.
        self._queue.extendleft(reversed(again))
        settled.retry = bool(again)
        return settled

    def failed(self, batch: Sequence[Job]) -> None:
        """Take back a batch that was rolled back as a whole: each runs alone, and one that fails alone is refused."""
        if len(batch) == 1:
            batch[0].refusal = "failed"
        for job in batch:
            job.alone = True
        self._queue.extendleft(reversed(batch))

    def lost(self, batch: Sequence[Job]) -> None:
        """Note that the database went away under this batch; call :meth:`restart` next."""
        for job in batch:
            self._losses[identity(job.action)] += 1

    def _close(self, job: Job, settled: Settled) -> None:
        self._open_jobs[id(job.delivery)] -= 1
        if not self._open_jobs[id(job.delivery)]:
            del self._open_jobs[id(job.delivery)]
            settled.done.append(job.delivery)


def _invalid(action: Action, code: str, message: str) -> Outcome:
    return Outcome(
        connection=action.connection,
        lane=action.lane,
        number=action.number,
        status="invalid",
        reply=None,
        error=Error(code, message),
        stores={},
    )


def _outcome(action: Action, result: Result) -> Outcome:
    error = None if result.code is None else Error(result.code, result.message or "", result.constraint)
    return Outcome(
        connection=action.connection,
        lane=action.lane,
        number=action.number,
        status=result.status,
        reply=(result.reply or "null") if result.status == "ok" else None,
        error=error,
        # The one thing of an outcome that is looked into here: fronts strip what their client does not hold.
        stores=orjson.loads(result.stores),
    )
