"""The road between the buses and the database, while this multiplexer leads.

Eight tasks, each a short loop: parcels in, batches, outcomes out, questions of fronts, commits told, patches forgotten,
signs of life, new partitions.
Crash-only: whatever goes wrong with the database ends all of them, and the next lead begins with what the bus hands
out again. A short loss of the bus ends nothing: it is committed, and fronts ask again. A longer one ends the lead,
which nobody takes who cannot reach the bus.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from itertools import chain, count
from typing import TypeVar

from broker.bus import Delivery, MultiplexerBus
from broker.errors import BusLost
from broker.messages import Lead, MultiplexerMessage
from broker.traces import Traces
from broker.trail import Trail

from .commits import Commits, Heard
from .database import Database
from .dispatcher import Dispatcher, Job, Settled
from .documents import Documents
from .engine import Dispatched, Part
from .errors import BatchFailed, DatabaseLost, EngineUnfit, TermEnded
from .holders import Holders
from .leadership import keep_lead, take_lead
from .metrics import Metrics, Queues, Standing
from .questions import Questions
from .reader import Reader
from .settings import Settings
from .teller import Teller, Told
from .tracing import Tracing

log = logging.getLogger("multiplexer")
T = TypeVar("T")

PARCELS = 256
"""Most parcels taken from the bus at once."""
AGAIN = 0.5
"""After how long stores are rendered again that could not be just now, in seconds."""
UNFIT = 2.0
"""How long to wait, in seconds, when multiplexer and engine do not go together: somebody has to see to it."""
PAUSE = 0.1
"""How long to wait, in seconds, after the bus or the database was lost."""
SWEEPS = ((0.0, 0.0), (2.0, 1.0))
"""When to look for parcels that a deposed leader took and left, in seconds after taking the lead; and how long one
must have lain by then. It may have taken one more before it noticed."""
SWEEP_EVERY, LEFT_LYING = 10.0, 30.0
"""The same ever after."""
FORGET = 0.1
"""How soon after commits were told their patches are forgotten, in seconds: many at once cost as much as one."""
UNTOLD = 8
"""Most batches whose outcomes wait to be told; then the next one waits."""


class Multiplexer:
    """One multiplexer: leads or stands by.

    Args:
        settings: Its settings.
        bus: Its end of the buses.
        traces: Where spans of actions go; nowhere if left out.

    """

    def __init__(self, settings: Settings, bus: MultiplexerBus, *, traces: Traces | None = None) -> None:
        self.name = settings.name
        self.metrics = Metrics()
        self._tracing = Tracing(traces) if traces is not None else None
        self._trail = Trail(log, slow=settings.watching.slow)
        self._settings = settings
        self._bus = bus
        self._dispatcher = Dispatcher(batch=settings.batch)
        self._arrived = asyncio.Event()
        self._room = asyncio.Event()
        self._settled: asyncio.Queue[tuple[Settled, Dispatched | None]] = asyncio.Queue(UNTOLD)
        self._clock = time.monotonic

    async def queues(self) -> Queues:
        """Tell what waits just now."""
        parcels = None
        with contextlib.suppress(BusLost, TimeoutError):
            async with asyncio.timeout(PAUSE):
                parcels = await self._bus.parcels()
        return Queues(self._dispatcher.waiting, self._dispatcher.held, parcels)

    async def run(self) -> None:
        """Lead whenever the lead is free; returns only when cancelled."""
        while True:
            # In a task of its own: a task group that fails leaves marks of cancellation on the task it is in.
            lead = asyncio.create_task(self._lead())
            try:
                await asyncio.wait([lead])
            finally:
                led, self.metrics.standing = self.metrics.standing is Standing.LEADS, Standing.AWAY
                lead.cancel()
                # Takes its error, too, if it ended just when this one was told to.
                await asyncio.gather(lead, return_exceptions=True)
            self._explain(lead.exception(), led=led)
            await asyncio.sleep(UNFIT if isinstance(lead.exception(), EngineUnfit) else PAUSE)

    def _explain(self, end: BaseException | None, *, led: bool) -> None:
        causes = end.exceptions if isinstance(end, BaseExceptionGroup) else (end,)
        if led:
            self.metrics.lead_ends[type(causes[0]).__name__] += 1
        if isinstance(end, EngineUnfit):
            log.error("x cannot lead: %s", end)
        elif all(isinstance(cause, DatabaseLost | TermEnded | BusLost) for cause in causes):
            log.warning("the lead ended: %s", causes[0])
        else:
            # A fault of ours. The next lead begins from scratch, so going on is safe, and stopping helps nobody.
            log.error("the lead ended by a fault", exc_info=end)

    async def _lead(self) -> None:
        settings = self._settings
        async with Database.connect(
            settings.database_url,
            name=settings.name,
            action_timeout=settings.action_timeout,
            render_timeout=settings.render_timeout,
            most_bytes=settings.most_bytes,
            metrics=self.metrics,
        ) as database:
            await database.check_engine()
            self.metrics.standing = Standing.STANDS_BY
            self.metrics.term = term = await take_lead(
                database,
                name=settings.name,
                heartbeat=settings.heartbeat,
                patience=settings.patience,
                able=self._reaches_bus,
            )
            self.metrics.leads += 1
            commits = Commits()
            await database.listen(commits.ring)
            # What was committed while nobody listened.
            for part in await database.telling.left():
                commits.hear(part)
            holders, documents = Holders(self._bus, self._clock), Documents(clock=self._clock)
            questions = Questions(
                reader=database.asking,
                holders=holders,
                documents=documents,
                bus=self._bus,
                term=term,
                metrics=self.metrics,
            )
            teller = Teller(reader=database.telling, documents=documents, holders=holders, tracing=self._tracing)

            self._dispatcher.restart()
            self._settled = asyncio.Queue(UNTOLD)
            self.metrics.standing = Standing.LEADS
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(keep_lead(database, term=term, heartbeat=settings.heartbeat))
                tasks.create_task(self._tell_commits(commits, teller))
                tasks.create_task(self._forget_told(commits, database.telling))
                tasks.create_task(questions.answer_all())
                tasks.create_task(self._follow_partitions(database))
                tasks.create_task(self._take_parcels(term, questions))
                tasks.create_task(self._run_batches(term, database))
                tasks.create_task(self._tell_outcomes(commits, teller))

    async def _take_parcels(self, term: int, questions: Questions) -> None:
        """Take parcels from the bus, while a batch runs too, as long as less than another batch waits."""
        began = self._clock()
        sweeps = chain(SWEEPS, ((after, LEFT_LYING) for after in count(SWEEP_EVERY, SWEEP_EVERY)))
        after, left_lying = next(sweeps)
        while True:
            try:
                if self._clock() >= began + after:
                    if not after:
                        await self._bus.publish([Lead(term)])
                    await self._take(await self._bus.take_over(left_lying), questions)
                    after, left_lying = next(sweeps)
                # Never given up for a sweep: what it is being handed would lie until the next one.
                await self._take(await self._bus.receive(PARCELS), questions)
            except BusLost as error:
                self.metrics.bus_losses += 1
                log.warning("the bus is lost: %s", error)
                if not await self._bus_returns():
                    # Another multiplexer may reach it.
                    raise
            while self._dispatcher.waiting >= self._settings.batch:
                self._room.clear()
                await self._room.wait()

    async def _run_batches(self, term: int, database: Database) -> None:
        """Run what waits, batch after batch: whatever arrives while one runs is the next.

        What a batch led to is looked into while the next one runs, for the database is what all wait for.
        """
        ran: tuple[Sequence[Job], Dispatched] | None = None
        settling: asyncio.Task[None] | None = None
        try:
            while True:
                self._arrived.clear()
                batch = self._dispatcher.next_batch(self._clock())
                if not batch:
                    if ran is None:
                        await self._wait_for_actions()
                    else:
                        await self._settle_batch(*ran)
                        ran = None
                    continue
                self._room.set()
                if ran is not None:
                    settling = asyncio.create_task(self._settle_batch(*ran))
                dispatched = await self._run_batch(batch, term, database)
                if settling is not None:
                    await settling
                    settling = None
                ran = None
                if dispatched is not None:
                    ran = batch, dispatched
                    if self._dispatcher.bears_on_next(batch, dispatched.results):
                        await self._settle_batch(*ran)
                        ran = None
        finally:
            if settling is not None:
                settling.cancel()
                await asyncio.wait([settling])

    async def _wait_for_actions(self) -> None:
        due = self._dispatcher.due()
        # Not wait_for, which in Python 3.11 may swallow the end of the lead.
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(None if due is None else max(0.0, due - self._clock())):
                await self._arrived.wait()

    async def _tell_outcomes(self, commits: Commits, teller: Teller) -> None:
        """Tell outcomes and acknowledge, in the order of the batches, while the next one runs; then what they changed.

        A client that has its outcome knows which update has what it predicted. The other way round it would see both.
        Where nobody has to be asked and nothing is overtaken, both leave at once, and fronts wake up once for both.
        """
        while True:
            settled, dispatched = await self._settled.get()
            led_to = [dispatched]
            while not self._settled.empty():
                more, dispatched = self._settled.get_nowait()
                settled.join(more)
                led_to.append(dispatched)
            others = [other for one in led_to if one is not None for other in one.others]
            patches = [patch for one in led_to if one is not None for patch in one.patches]
            if not (commits.are_behind(others) and teller.knows(patches)):
                await self._send_outcomes(settled)
                for one in led_to:
                    if one is not None:
                        for other in one.others:
                            commits.hear(other)
                        commits.bring(one.patches)
                continue
            async with commits.telling:
                heard = commits.take_brought(patches)
                told = await _insist(partial(teller.commits, heard))
                if await self._send_outcomes(settled, told.everyone):
                    told.everyone.clear()
                await self._tell(told, heard)
                commits.finish(heard)

    async def _send_outcomes(self, settled: Settled, everyone: Sequence[MultiplexerMessage] = ()) -> bool:
        try:
            await self._bus.send(settled.outcomes, settled.done, everyone=everyone)
        except BusLost as error:
            log.warning("the bus is lost, outcomes are told when asked again: %s", error)
            return False
        return True

    async def _bus_returns(self) -> bool:
        """Wait for the bus, for as long as others would wait for a sign of life of ours."""
        until = self._clock() + self._settings.patience
        while self._clock() < until:
            await asyncio.sleep(PAUSE)
            if await self._reaches_bus():
                return True
        return False

    async def _reaches_bus(self) -> bool:
        try:
            async with asyncio.timeout(self._settings.patience):
                await self._bus.find(())
        except (BusLost, TimeoutError):
            return False
        return True

    async def _take(self, deliveries: Sequence[Delivery], questions: Questions) -> None:
        now = time.time()
        for delivery in deliveries:
            if delivery.attempts == 1:
                # Clocks of two machines differ.
                self.metrics.bus_lag.observe(max(0.0, now - delivery.appended_at))
            self._trail.came(delivery.parcel.messages)
            questions.add(delivery.parcel.front, delivery.parcel.messages)
        settled = self._dispatcher.add(deliveries)
        self._arrived.set()
        if settled.done or settled.outcomes:
            await self._settle(settled)

    async def _settle(self, settled: Settled, dispatched: Dispatched | None = None) -> None:
        for outcomes in settled.outcomes.values():
            self.metrics.answered(outcomes)
        await self._settled.put((settled, dispatched))

    async def _run_batch(self, batch: Sequence[Job], term: int, database: Database) -> Dispatched | None:
        """Run a batch; None: it was rolled back."""
        began = self._clock()
        self.metrics.batch_actions.observe(len(batch))
        spans = self._tracing.began(batch) if self._tracing is not None else []
        dispatched: Dispatched | None = None
        try:
            dispatched = await database.dispatch(term, [job.action for job in batch], [job.refusal for job in batch])
        except BatchFailed as error:
            self.metrics.batches["rolled_back"] += 1
            log.warning("a batch of %d was rolled back: %s", len(batch), error)
            self._dispatcher.failed(batch, self._clock(), transient=error.transient)
        except DatabaseLost:
            self.metrics.batches["lost"] += 1
            self._dispatcher.lost(batch)
            raise
        else:
            self.metrics.batches["committed"] += 1
            self.metrics.batch_seconds.observe(self._clock() - began)
        finally:
            if self._tracing is not None:
                self._tracing.ended(spans, dispatched.results if dispatched is not None else ())
        return dispatched

    async def _settle_batch(self, batch: Sequence[Job], dispatched: Dispatched) -> None:
        settled = self._dispatcher.settle(batch, dispatched.results, self._clock())
        now = time.time()
        for job, result in zip(batch, dispatched.results, strict=True):
            self._trail.went(job.action, result.status, result.code, max(0.0, now - job.delivery.appended_at))
        await self._settle(settled, dispatched)

    async def _follow_partitions(self, database: Database) -> None:
        """Take notice of partitions that came or went: no trigger of ours sees that."""
        while True:
            await database.follow()
            await asyncio.sleep(self._settings.follow)

    async def _tell_commits(self, commits: Commits, teller: Teller) -> None:
        """Tell all fronts what commits changed."""
        while True:
            await commits.wait(None if not teller.has_due else AGAIN if teller.waits else 0.0)
            async with commits.telling:
                heard = commits.take()
                if heard or teller.has_due:
                    await self._tell(await _insist(partial(teller.commits, heard) if heard else teller.due), heard)
                    commits.finish(heard)

    async def _forget_told(self, commits: Commits, reader: Reader) -> None:
        """Forget patches a little later than they were told."""
        while True:
            await commits.any_told.wait()
            await asyncio.sleep(FORGET)
            async with commits.telling:
                told = commits.take_told()
                await reader.forget(told)
            commits.forget(told)

    async def _tell(self, told: Told, heard: Mapping[Part, Heard]) -> None:
        await _insist(partial(self._bus.send, told.fronts, everyone=told.everyone))
        for span in told.spans:
            span.end()
        now = time.time()
        for one in heard.values():
            self.metrics.publish.observe(max(0.0, now - one.at))
        self.metrics.commits += told.commits
        self.metrics.updates += told.updates


async def _insist(call: Callable[[], Awaitable[T]]) -> T:
    """Call until the bus is there: what commits changed waits in the database meanwhile."""
    while True:
        try:
            return await call()
        except BusLost as error:
            log.warning("the bus is lost, updates wait: %s", error)
            await asyncio.sleep(PAUSE)
