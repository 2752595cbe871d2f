"""Actions into batches, batches into outcomes: which action goes when, and what becomes of one that hurts.

Pure: no I/O, and time comes in as an argument, in seconds. ``loop`` feeds it deliveries, asks it for the next batch,
and tells it how that went.

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

from .engine import Result

MAX_LOSSES = 3
"""After so many batches lost with an action in them it runs alone; lost alone, it is refused as ``poison``."""

MAX_ATTEMPTS = 6
"""A parcel handed out more often than this has ended multiplexers: its first action not yet applied is ``poison``."""
ONLY_LANE = 0
FIRST_PAUSE, LONGEST_PAUSE = 0.1, 5.0
"""How long a client's actions wait after a transient fault, in seconds: doubled each time, at most so long."""

Identity = tuple[str, str, int, int]
"""Actor, client, lane and number: what makes an action this one and no other."""


Lane = tuple[str, str, int]
"""Actor, client and lane: whose actions stay in sequence."""


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

    @property
    def lane(self) -> Lane:
        """Whose sequence it belongs to."""
        return self.action.actor, self.action.client, self.action.lane


@dataclass(slots=True)
class Hold:
    """The actions of a lane whose first met a transient fault, and until when they wait."""

    until: float
    pause: float
    jobs: deque[Job] = field(default_factory=deque)


@dataclass(slots=True)
class Settled:
    """What a batch led to: outcomes by front, and the deliveries that are now wholly done."""

    outcomes: dict[str, list[Outcome]] = field(default_factory=dict)
    done: list[Delivery] = field(default_factory=list)

    def add(self, job: Job, outcome: Outcome) -> None:
        """Note the outcome of a job."""
        self.outcomes.setdefault(job.front, []).append(outcome)

    def join(self, later: "Settled") -> None:
        """Add what came later."""
        for front, outcomes in later.outcomes.items():
            self.outcomes.setdefault(front, []).extend(outcomes)
        self.done += later.done


class Dispatcher:
    """Order and fate of actions.

    Args:
        batch: Most actions in one batch.

    """

    def __init__(self, *, batch: int) -> None:
        self._batch = batch
        self._queue: deque[Job] = deque()
        self._holds: dict[Lane, Hold] = {}
        self._pauses: dict[Lane, float] = {}
        # All three by id(delivery): each job keeps its delivery alive.
        self._in_hand: dict[int, Delivery] = {}
        self._open_jobs: Counter[int] = Counter()
        self._deadly: set[int] = set()
        self._losses: Counter[Identity] = Counter()

    def restart(self) -> None:
        """Forget what is queued: the bus hands it out again. What actions have done to batches is remembered."""
        self._queue.clear()
        self._holds.clear()
        self._in_hand.clear()
        self._open_jobs.clear()
        self._deadly.clear()

    @property
    def waiting(self) -> int:
        """How many actions wait for their batch, those apart that are held."""
        return len(self._queue)

    @property
    def held(self) -> int:
        """How many actions are held back for a while."""
        return sum(len(hold.jobs) for hold in self._holds.values())

    def due(self) -> float | None:
        """Tell when the next held action may be tried again; None if none is held."""
        return min((hold.until for hold in self._holds.values()), default=None)

    def add(self, deliveries: Sequence[Delivery]) -> Settled:
        """Queue the actions of deliveries; what needs no batch (no action, a lane there is not) is settled at once."""
        settled = Settled()
        for delivery in deliveries:
            if delivery.attempts > 1 and any(held.parcel == delivery.parcel for held in self._in_hand.values()):
                # A sweep has handed us what we hold: that says nothing of what it does to multiplexers.
                continue
            jobs = [
                Job(delivery.parcel.front, message, delivery, alone=delivery.attempts > MAX_LOSSES)
                for message in delivery.parcel.messages
                if isinstance(message, Action)
            ]
            for job in jobs:
                if job.action.lane == ONLY_LANE:
                    hold = self._holds.get(job.lane)
                    (self._queue if hold is None else hold.jobs).append(job)
                    self._open_jobs[id(delivery)] += 1
                else:
                    settled.add(job, _invalid(job.action, "unknown_lane", "There is only lane 0."))
            if id(delivery) not in self._open_jobs:
                settled.done.append(delivery)
                continue
            self._in_hand[id(delivery)] = delivery
            if delivery.attempts > MAX_ATTEMPTS:
                self._deadly.add(id(delivery))
        return settled

    def next_batch(self, now: float) -> list[Job]:
        """Take the next batch, oldest first; empty if nothing waits."""
        for lane in [lane for lane, hold in self._holds.items() if hold.until <= now]:
            hold = self._holds.pop(lane)
            self._pauses[lane] = hold.pause
            # Alone, so that nobody waits with it for what it waits for.
            hold.jobs[0].alone = True
            self._queue.extendleft(reversed(hold.jobs))
        batch: list[Job] = []
        while self._queue and len(batch) < self._batch:
            job = self._queue[0]
            losses = self._losses[identity(job.action)]
            if (job.alone or losses >= MAX_LOSSES) and batch:
                break
            batch.append(self._queue.popleft())
            if losses > MAX_LOSSES or id(job.delivery) in self._deadly:
                # One that was applied before is answered from the log, whatever is said here.
                job.refusal = "poison"
            if job.alone or losses >= MAX_LOSSES:
                break
        return batch

    @staticmethod
    def bears_on_next(batch: Sequence[Job], results: Sequence[Result]) -> bool:
        """Tell whether a batch that was committed has to be settled before the next is taken."""
        return any(result.status == "retry" for result in results) or any(job.alone or job.refusal for job in batch)

    def settle(self, batch: Sequence[Job], results: Sequence[Result], now: float) -> Settled:
        """Take the results of a batch that was committed, in its order."""
        settled = Settled()
        again: list[Job] = []
        for job, result in zip(batch, results, strict=True):
            if result.status == "retry":
                again.append(job)
                continue
            self._losses.pop(identity(job.action), None)
            self._pauses.pop(job.lane, None)
            if result.code == "poison":
                self._deadly.discard(id(job.delivery))
            settled.add(job, _outcome(job.action, result))
            self._close(job, settled)
        self._hold(again, now)
        return settled

    def failed(self, batch: Sequence[Job], now: float, *, transient: bool) -> None:
        """Take back a batch that was rolled back as a whole: each runs alone.

        Args:
            batch: The batch.
            now: The time, in seconds.
            transient: Whether it can go well another time; one that failed alone and cannot is refused.

        """
        if len(batch) == 1 and transient:
            self._hold(batch, now)
            return
        if len(batch) == 1:
            batch[0].refusal = "failed"
        for job in batch:
            job.alone = True
        self._queue.extendleft(reversed(batch))

    def lost(self, batch: Sequence[Job]) -> None:
        """Note that the database went away under this batch; call :meth:`restart` next."""
        for job in batch:
            self._losses[identity(job.action)] += 1

    def _hold(self, jobs: Sequence[Job], now: float) -> None:
        """Let jobs wait, and all later ones of their lanes."""
        lanes = {job.lane for job in jobs}
        if not lanes:
            return
        waiting = [*jobs, *(queued for queued in self._queue if queued.lane in lanes)]
        self._queue = deque(queued for queued in self._queue if queued.lane not in lanes)
        for lane in lanes:
            pause = min(self._pauses.get(lane, FIRST_PAUSE / 2) * 2, LONGEST_PAUSE)
            self._holds[lane] = Hold(now + pause, pause, deque(job for job in waiting if job.lane == lane))

    def _close(self, job: Job, settled: Settled) -> None:
        self._open_jobs[id(job.delivery)] -= 1
        if not self._open_jobs[id(job.delivery)]:
            del self._open_jobs[id(job.delivery)], self._in_hand[id(job.delivery)]
            self._deadly.discard(id(job.delivery))
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
    error = None if result.code is None else Error(result.code, result.message or "", result.constraint, result.column)
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
