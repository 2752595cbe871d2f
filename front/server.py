"""A front at work: the clock, the bus, and who gets the sockets.

A :class:`Doorway` hands every socket that shook hands to a :class:`Socket`, which feeds its connection and the
hub. Frames for clients leave once per turn of the event loop, or once a tick if there is one, all frames of a client in
one write.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import Any, TypeVar

from broker.bus import FrontBus, Missed, News
from broker.errors import BusFull, BusLost
from broker.messages import Commit, Drain, Kick, Parcel, Present, WhoIs
from broker.registry import RENEW, Changes
from broker.traces import Span, Traces

from .client_socket import Socket
from .clients import Wire
from .codes import CloseCode
from .connection import Connection
from .doorway import Doorway
from .drain import DEFAULT_PACE, Departure, Pace, farewell, share_of
from .gates import Identity
from .hub import Hub
from .intake import Intake
from .rules import Rules
from .runs import runs
from .stream import Asked, Stream
from .ticks import Rest, Wheel

SWEEP = 0.25
"""Seconds between looks at what is due."""

DISMISS = 0.05
"""Seconds between groups of clients that are sent to other fronts."""

STALL = 2.0
"""Seconds from one look to the next that mean that the process stood still."""

RETRY = (0.05, 1.0)
"""Seconds to wait for a lost bus: at first, and at most."""

ANSWER_WITHIN = 1.0
"""Seconds to wait for what the other fronts say of themselves."""

FULL = 0.05
"""Seconds to wait for room on the action bus."""

_logger = logging.getLogger("front")

T = TypeVar("T")


class Server:
    """A front at work.

    Args:
        hub: The core.
        bus: The front's end of the two buses.
        verify: Tells who a token speaks for, or raises TokenRefused.
        rules: Who else is let in, and for how much; a front's defaults if left out.
        pace: How fast clients are sent to other fronts.
        traces: Where spans of deliveries go; nowhere if left out.
        tick: How far apart parcels that are not full are at least, and writes to many clients, in seconds. What comes
            after a rest leaves at once.

    Make it inside a running event loop, give :meth:`accept` to uvicorn, and await :meth:`run`.

    """

    def __init__(
        self,
        *,
        hub: Hub,
        bus: FrontBus,
        verify: Callable[[str], Identity],
        rules: Rules | None = None,
        pace: Pace = DEFAULT_PACE,
        traces: Traces | None = None,
        tick: float = 0.0,
    ) -> None:
        self.hub = hub
        self.verify = verify
        self.rules = rules or Rules()
        self._bus = bus
        self._loop = asyncio.get_running_loop()
        self.now = self._loop.time
        """The clock of everything here, in seconds."""
        self.wheel: Wheel[Socket | Doorway] = Wheel(self.now())
        self._pace = pace
        self._dismissals: set[asyncio.Task[None]] = set()
        self.intake = Intake(pace.rate)
        """How many clients a second can be taken."""
        self._noticed = False
        self.told = asyncio.Event()
        """Set when the front is to end."""
        self.hurry = asyncio.Event()
        """Set when nobody is to be waited for any more."""
        self.left = asyncio.Event()
        """Set when the front is about to end: what waits for news need not wait here."""
        self._told_at: list[float] = []  # of the commits of this tick, the first one of a run
        self._traces = traces
        self._deliveries: list[Span] = []  # of this tick
        self._tick = tick
        self._rest = Rest(tick)
        self._turn_due = self._flush_due = False
        self._gathered = asyncio.Event()
        self._connections: set[Any] = set()  # uvicorn's

    def accept(self, *, http: Callable[[], asyncio.Protocol], connections: set[Any]) -> Doorway:
        """Make the protocol of a new connection.

        Args:
            http: Makes the protocol of one that turns out to be plain HTTP.
            connections: Those that have to be gone before the process ends.

        """
        self._connections = connections
        return Doorway(self, http, connections)

    def web_socket(self, *, window: int, token: str | None, address: str | None) -> Socket:
        """Make the protocol of a WebSocket; the doorway asks for it."""
        connection = Connection(verify=self.verify, rules=self.rules, token=token, window=window)
        return Socket(self, self._connections, connection, address=address)

    def stream(self, *, asked: Asked, address: str | None) -> Socket:
        """Make the protocol of a client that takes events; the doorway asks for it."""
        stream = Stream(verify=self.verify, rules=self.rules, asked=asked)
        return Socket(self, self._connections, stream, address=address)

    def ready(self) -> bool:
        """Whether clients can be served."""
        return not self._noticed and self.hub.ready(self.now())

    async def give_notice(self, seconds: float) -> None:
        """Be ready no more, and wait until load balancers have noticed; everything is served as before.

        Args:
            seconds: How long that takes them.

        """
        self._noticed = True
        await self._linger(seconds)

    def leave(self) -> None:
        """Be ready no more, and let in nobody who would stay: load balancers send them elsewhere."""
        self._noticed = True
        self.left.set()
        self.rules.leaving = True

    @property
    def sockets(self) -> list[Socket]:
        """All WebSockets and streams."""
        return [socket for socket in self._connections if isinstance(socket, Socket)]

    async def dismiss(self, sockets: Sequence[Socket]) -> None:
        """Send clients to the other fronts, one after the other; the rest is served until its turn comes.

        Args:
            sockets: Who is to go.

        """
        if not sockets:
            return
        departure = Departure(sockets, await self._pace_of_others(), self.now())
        while not departure.over:
            if self.hurry.is_set():
                departure.hurry()
            for leaving, seconds in departure.due(self.now()):
                leaving.close(CloseCode.GOING_AWAY, farewell(seconds))
            await self._linger(DISMISS)

    async def _linger(self, seconds: float) -> None:
        """Wait, unless nobody is to be waited for any more."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self.hurry.wait()

    async def _pace_of_others(self) -> Pace:
        """As fast as the other fronts take clients, as far as they say."""
        rate = 0.0
        with suppress(BusLost, TimeoutError):
            async with asyncio.timeout(ANSWER_WITHIN):
                rate = await self._bus.intake_of_others()
        pace = replace(self._pace, rate=rate) if rate else self._pace
        _logger.info("= the other fronts take %d clients a second%s", pace.rate, "" if rate else ", it is assumed")
        return pace

    def flush_soon(self) -> None:
        """Send what the hub has made at the end of this turn of the loop, or of the tick."""
        if not self._turn_due:
            self._turn_due = True
            self._loop.call_soon(self._end_turn)

    async def run(self) -> None:
        """Carry messages until cancelled."""
        await self._retry(self._bus.start)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._read())
            tasks.create_task(self._append())
            tasks.create_task(self._sweep())

    def _end_turn(self) -> None:
        self._turn_due = False
        # Not the loop's clock, which may stand still for a whole turn.
        rest = self._rest.left(time.monotonic())
        if not rest:
            self._flush()
            return
        self._gather()
        if not self._flush_due:
            self._flush_due = True
            self._loop.call_later(rest, self._flush)

    def _flush(self) -> None:
        self._flush_due = False
        began, size = time.monotonic(), 0
        left: list[tuple[Wire, bytes]] = []
        for wires, data in self.hub.writes():
            size = len(data)
            # This is what runs once per client and tick.
            for wire in wires:
                try:
                    sent = wire.send(data)
                except OSError:
                    sent = 0
                if sent != size:
                    left.append((wire, data[sent:]))
        for wire, rest in left:
            wire.leave(rest)
        if size:
            self._rest.wrote(began, time.monotonic())
        if self._told_at:
            now = time.time()
            for told_at in self._told_at:
                # Clocks of two machines differ.
                self.hub.metrics.lag.observe(max(0.0, now - told_at))
            self._told_at.clear()
        for span in self._deliveries:
            span.end()
        self._deliveries.clear()
        self._gather()

    def _gather(self) -> None:
        if self.hub.has_messages or self.hub.has_changes:
            self._gathered.set()

    async def _read(self) -> None:
        while True:
            for run in runs(await self._retry(self._bus.read)):
                try:
                    await self._take(run)
                except Exception:
                    _logger.exception("x a %s could not be taken", type(run[0]).__name__)
                    for message in run:
                        self.hub.doubt(message, self.now())
            self.flush_soon()

    async def _take(self, run: Sequence[News]) -> None:
        first = run[0]
        if isinstance(first, Kick):
            self._kick(first)
        elif isinstance(first, Drain):
            self._drain(first.share)
        elif isinstance(first, WhoIs):
            await self._answer(first)
        else:
            if isinstance(first, Missed):
                _logger.warning("= messages were missed: asking again")
            if self._traces is not None:
                self._trace(self._traces, run)
            self.hub.take_run(run, self.now())
            if isinstance(first, Commit) and first.told_at:
                self._told_at.append(first.told_at)

    def _trace(self, traces: Traces, run: Sequence[News]) -> None:
        for commit in run:
            if isinstance(commit, Commit):
                for context in commit.traces:
                    span = traces.begin("deliver", context, front=self.hub.front, updates=len(commit.updates))
                    if span is not None:
                        self._deliveries.append(span)

    def _drain(self, share: float) -> None:
        if share >= 1:
            self.told.set()
            return
        task = asyncio.create_task(self.dismiss(share_of(self.sockets, share)))
        self._dismissals.add(task)
        task.add_done_callback(self._dismissals.discard)

    def _kick(self, kick: Kick) -> None:
        # First what they are owed.
        self._flush()
        for one in self.sockets:
            if one.of(kick.actor):
                one.close(CloseCode.KICKED, kick.reason)

    async def _answer(self, question: WhoIs) -> None:
        """Tell who asked what connections of an actor there are."""
        connections = [found for one in self.sockets if (found := one.of(question.actor))]
        with suppress(BusLost):  # he asks again
            await self._bus.tell(question.asker, Present(self.hub.front, connections))

    async def _append(self) -> None:
        # One call at a time: what comes meanwhile gathers, and goes in order.
        renew_at = tick_ends = self.now()
        while True:
            if self.hub.unregistered:
                renew_at = self.now() + RENEW
                await self._retry(partial(self._bus.register, *self.hub.everything()))
            elif self.now() >= renew_at:
                renew_at = self.now() + RENEW
                self.intake.note(self.now(), time.process_time(), self.hub.metrics.opened)
                rate = 0.0 if self._noticed else self.intake.rate
                if not await self._retry(partial(self._bus.renew, rate)):
                    _logger.warning("= the bus has lost what was registered")
                    self.hub.bus_returned(self.now())
                continue
            await asyncio.sleep(tick_ends - self.now())
            changes, parcel = self.hub.changes(), self.hub.parcel()
            if parcel is not None:
                if not self.hub.has_messages:
                    tick_ends = self.now() + self._tick
                await self._retry(partial(self._append_one, parcel, changes))
            elif changes:
                await self._retry(partial(self._bus.change, changes))
            else:
                self._gathered.clear()
                # The hub has something for the bus more often than a lease has to be renewed.
                await self._gathered.wait()

    async def _append_one(self, parcel: Parcel, changes: Changes) -> None:
        """Append a parcel as soon as there is room for it."""
        while True:
            try:
                await self._bus.append(parcel, changes)
            except BusFull as exc:
                if not self.hub.full:
                    _logger.warning("= the bus is full: %s", exc)
                self.hub.full = True
                await asyncio.sleep(FULL)
            else:
                self.hub.full = False
                return

    async def _sweep(self) -> None:
        last = self.now()
        while True:
            now = self.now()
            self.hub.sweep(now)
            # After a stall nobody is to blame before what came meanwhile has been heard.
            if now - last < STALL:
                for due in self.wheel.turn(now):
                    due.look(now)
            last = now
            refused = self.rules.refusals.line(now)
            if refused is not None:
                _logger.info("= %s", refused)
            self.flush_soon()
            await asyncio.sleep(SWEEP)

    async def _retry(self, call: Callable[[], Awaitable[T]]) -> T:
        """Call until the bus is there."""
        pause, longest = RETRY
        lost = False
        while True:
            try:
                result = await call()
            except BusLost as exc:
                if not lost:
                    lost = True
                    _logger.warning("= the bus is lost: %s", exc)
                    self.hub.bus_lost()
                await asyncio.sleep(pause)
                pause = min(2 * pause, longest)
                continue
            if lost:
                _logger.warning("= the bus is back")
                self.hub.bus_returned(self.now())
                self.flush_soon()
            return result
