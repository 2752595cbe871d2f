"""The sockets, the clock and the bus: all input and output of a front.

A :class:`Doorway` hands every socket that shook hands to a :class:`Socket`, which feeds its connection and the
hub. Frames for clients leave once per turn of the event loop, all frames of a client in one write.
"""

import asyncio
import logging
import math
import socket
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import Any, TypeVar, cast

from broker.bus import FrontBus, Missed
from broker.errors import BusFull, BusLost
from broker.messages import Commit, Drain, Kick, Parcel
from broker.registry import RENEW, Changes

from .clients import Client, Wire
from .codes import CloseCode
from .connection import HEARTBEAT, Connection, Opened, Refreshed, State
from .direct_wire import DirectWire
from .doorway import Doorway
from .drain import DEFAULT_PACE, Departure, Pace, farewell, share_of
from .gates import Identity
from .hub import Hub
from .rules import Rules
from .runs import runs
from .stream import Stream
from .ticks import Wheel

HELLO_WITHIN = 10.0
"""Seconds a client has for its ``hello`` (docs/protocol.md §2)."""

BLOCKED_AT_MOST = 60.0
"""A socket that takes nothing for so many seconds is given up (4202); one that takes little is not."""

CLOSE_WITHIN = 3.0
"""Seconds a client has to answer our close before its socket is cut."""

WRITE_BUFFER = 262_144
"""A client for whom more bytes than this wait is not heard until it has read them: it would ask for more."""

SWEEP = 0.25
"""Seconds between looks at what is due."""

DISMISS = 0.05
"""Seconds between groups of clients that are sent to other fronts."""

STALL = 2.0
"""Seconds from one look to the next that mean that the process stood still."""

RETRY = (0.05, 1.0)
"""Seconds to wait for a lost bus: at first, and at most."""

FULL = 0.05
"""Seconds to wait for room on the action bus."""

_logger = logging.getLogger("front")

T = TypeVar("T")


class Socket(asyncio.Protocol):
    """One client's socket: carries bytes between transport, connection and hub."""

    __slots__ = (
        "_address",
        "_blocked_at",
        "_blocked_bytes",
        "_client",
        "_closing_at",
        "_connection",
        "_good_until",
        "_heard_at",
        "_opened_at",
        "_pinged_at",
        "_server",
        "_sockets",
        "_transport",
        "_wire",
        "slot",
    )

    def __init__(
        self, server: "Server", sockets: set[Any], connection: Connection, *, address: str | None = None
    ) -> None:
        self._server = server
        self._address = address  # under what the doorway counted it
        self._sockets = sockets  # uvicorn's: it waits at its end for all that are in it
        self._connection = connection
        self._transport: asyncio.Transport | None = None
        self._client: Client | None = None
        self._wire: DirectWire | None = None  # once the client was let in
        self._good_until = math.inf  # its token, by the server's clock
        self._opened_at = self._heard_at = server.now()
        self._pinged_at: float | None = None  # since it was heard last
        self._blocked_at: float | None = None
        self._blocked_bytes = 0  # that would wait if none had been taken since it was looked at last
        self._closing_at: float | None = None
        self.slot: int | None = None

    # What asyncio and uvicorn call.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the socket over from the doorway."""
        self._transport = cast("asyncio.Transport", transport)
        # It pauses us as soon as anything has to wait, and resumes when nothing does.
        self._transport.set_write_buffer_limits(high=0)
        if not self._connection.answers and hasattr(socket, "TCP_USER_TIMEOUT"):
            within = round(2 * HEARTBEAT * 1000)
            transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, within)
        self._sockets.add(self)
        self._server.wheel.put(self, self._opened_at + HELLO_WITHIN)

    def data_received(self, data: bytes) -> None:
        """Bytes from the client."""
        self._heard_at = self._server.now()
        self._pinged_at = None
        self._connection.receive(data, self._heard_at)
        if not self._connection.quiet:
            self._process()

    def eof_received(self) -> None:
        """The client sends no more; the transport closes itself after what it still has to write."""
        self._connection.receive_eof()
        self._process()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        """The socket is gone."""
        self._transport = None
        if self._address is not None:
            self._server.rules.addresses.leave(self._address)
        self._sockets.discard(self)
        self._server.wheel.remove(self)
        self._leave()

    def pause_writing(self) -> None:
        """The client reads too slowly: hold back what can be, and let nothing overtake what waits."""
        self._blocked_at = self._server.now()
        self._blocked_bytes = self._transport.get_write_buffer_size() if self._transport is not None else 0
        if self._wire is not None and self._client is not None:
            self._wire.part()
            self._server.hub.blocked(self._client)
        if self._closing_at is None:
            self._server.wheel.put(self, min(self._blocked_at + BLOCKED_AT_MOST, self._good_until))

    def resume_writing(self) -> None:
        """The client has read what waited."""
        self._blocked_at = None
        # If we did not listen it could not be heard.
        self._heard_at = self._server.now()
        self._pinged_at = None
        if self._transport is None or self._transport.is_closing():
            return
        if self._closing_at is None:
            self._server.wheel.put(self, self._heard_at)  # for its heartbeat
        self._transport.resume_reading()
        if self._wire is not None and self._client is not None:
            self._wire.reach(self._transport)
            self._server.hub.drained(self._client, self._heard_at)
            self._server.flush_soon()

    def shutdown(self) -> None:
        """The front ends."""
        self.close(CloseCode.GOING_AWAY, "the front is going away")

    # What the server calls.

    @property
    def actor(self) -> str | None:
        """Whose connection it is; None before he is let in and after he has left."""
        return self._client.identity.actor if self._client is not None else None

    def write_rest(self, data: bytes) -> None:
        """Write what could not be sent past the transport, unless goodbye was said."""
        if self._client is not None and self._transport is not None and not self._transport.is_closing():
            self._write(self._transport, data)

    def close(self, code: CloseCode, reason: str) -> None:
        """Say goodbye with a code; the socket is cut if the client does not answer."""
        self._connection.close(code, reason)
        self._process()

    def look(self, now: float) -> None:
        """Do what is due at this time, and say when to look again."""
        if self._transport is None:
            return
        if self._closing_at is not None:
            self._transport.abort()
            return
        if now >= self._good_until:
            self.close(CloseCode.TOKEN_REFUSED, "expired")
            return
        if self._blocked_at is not None:
            self._look_at_blocked(self._blocked_at, self._transport, now)
            return
        again = self._look_at_silence(now)
        if again is not None:
            self._server.wheel.put(self, min(again, self._good_until))

    def _look_at_silence(self, now: float) -> float | None:
        """§2: ask who is silent; when to look again, unless it is closed."""
        again = self._heard_at + HEARTBEAT
        if self._client is None:
            again = self._opened_at + HELLO_WITHIN
            if now >= again:
                self.close(CloseCode.NO_HELLO, "no hello in time")
                return None
        elif now >= again and not self._connection.answers:
            # That it is gone only the system can notice, by what is not acknowledged.
            self._heard_at = now
            self._connection.ping()
            self._send()
            again = now + HEARTBEAT
        elif now >= again:
            if self._pinged_at is None:
                self._pinged_at = now
                self._connection.ping()
                self._send()
            # From the ping on: we may have been kept from asking in time.
            again = self._pinged_at + HEARTBEAT
            if now >= again:
                self.close(CloseCode.NOTHING_HEARD, "nothing heard for too long")
                return None
        return again

    def _look_at_blocked(self, since: float, transport: asyncio.Transport, now: float) -> None:
        if now >= since + BLOCKED_AT_MOST:
            waiting = transport.get_write_buffer_size()
            if waiting >= self._blocked_bytes:
                # Nothing more can be said on a blocked socket, not even the code.
                self._server.rules.refusals.note(CloseCode.BLOCKED)
                transport.abort()
                return
            since = self._blocked_at = now
            self._blocked_bytes = waiting
        self._server.wheel.put(self, min(since + BLOCKED_AT_MOST, self._good_until))

    def _process(self) -> None:
        try:
            self._carry()
        except Exception:
            # A fault of ours ends this one connection; the client comes back (RFC 6455, 1011).
            _logger.exception("x a connection failed")
            self._connection.close(CloseCode.INTERNAL_ERROR)
        self._send()
        if self._connection.state is State.CLOSED:
            self._leave()
            if self._transport is not None and self._closing_at is None:
                self._closing_at = self._server.now() + CLOSE_WITHIN
                if self._connection.code not in {None, CloseCode.GOING_AWAY}:
                    self._server.rules.refusals.note(self._connection.code)
                self._server.wheel.put(self, self._closing_at)

    def _carry(self) -> None:
        hub, now = self._server.hub, self._heard_at
        for event in self._connection.events():
            if isinstance(event, Opened):
                self._prolong(event.identity)
                assert self._transport is not None, "bytes come from a socket that is there"
                self._wire = DirectWire(self)
                self._client = hub.opened(event.identity, event.client, wire=self._wire, window=self._connection.window)
                self._server.rules.actors.enter(event.identity.actor)
                if self._blocked_at is not None:
                    hub.blocked(self._client)
                else:
                    self._wire.reach(self._transport)
                if self._connection.state is State.OPEN and self._connection.answers:
                    # The welcome, in one write with what the hub is about to say.
                    for data in self._connection.data_to_send():
                        hub.send(self._client, data)
                continue
            assert self._client is not None, "the connection's states let nothing through before hello"
            if isinstance(event, Refreshed):
                self._client.identity = event.identity
                self._prolong(event.identity)
                continue
            hub.receive(self._client, event, now)
            if self._client.failed is not None:
                self._connection.close(CloseCode.BAD_FRAME, self._client.failed)
                break
        self._server.flush_soon()

    def _prolong(self, identity: Identity) -> None:
        """Stay for as long as a token is good, of which the wall clock tells."""
        self._good_until = self._heard_at + identity.good_until - time.time()
        if self._good_until < self._heard_at + BLOCKED_AT_MOST:
            # Most last beyond the next look, and that one sees to it.
            self._server.wheel.put(self, min(self._heard_at + HEARTBEAT, self._good_until))

    def _send(self) -> None:
        transport = self._transport
        if transport is None:
            return
        for data in self._connection.data_to_send():
            if transport.is_closing():
                return
            if data:
                self._write(transport, data)
            elif transport.can_write_eof():
                # Only our half: closing at once could take the close frame away from a client that is still sending.
                transport.write_eof()
            else:
                transport.close()

    def _write(self, transport: asyncio.Transport, data: bytes) -> None:
        blocked = self._blocked_at is not None
        if self._wire is not None and not blocked:
            try:
                sent = self._wire.send(data)
            except OSError:
                sent = 0
            if sent == len(data):
                return
            data = data[sent:]
        transport.write(data)
        if self._blocked_at is not None:
            if blocked:
                self._blocked_bytes += len(data)
            if transport.get_write_buffer_size() > WRITE_BUFFER:
                transport.pause_reading()

    def _leave(self) -> None:
        client, self._client = self._client, None
        wire, self._wire = self._wire, None
        if client is not None and wire is not None:
            wire.part()
            self._server.hub.closed(client, self._server.now())
            self._server.rules.actors.leave(client.identity.actor)


class Server:
    """A front at work.

    Args:
        hub: The core.
        bus: The front's end of the two buses.
        verify: Tells who a token speaks for, or raises TokenRefused.
        rules: Who else is let in, and for how much; a front's defaults if left out.
        pace: How fast clients are sent to other fronts.

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
        self.told = asyncio.Event()
        """Set when the front is to end."""
        self.hurry = asyncio.Event()
        """Set when nobody is to be waited for any more."""
        self.left = asyncio.Event()
        """Set when the front is about to end: what waits for news need not wait here."""
        self._told_at: list[float] = []  # of the commits of this tick, the first one of a run
        self._flush_due = False
        self._gathered = asyncio.Event()
        self._connections: set[Any] = set()  # uvicorn's

    def accept(self, *, http: Callable[[], asyncio.Protocol], connections: set[Any]) -> Doorway:
        """Make the protocol of a new connection.

        Args:
            http: Makes the protocol of one that turns out to be plain HTTP.
            connections: Those that have to be gone before the process ends.

        """
        self._connections = connections
        return Doorway(
            accept=self._web_socket,
            stream=self._stream,
            http=http,
            connections=connections,
            rules=self.rules,
            wheel=self.wheel,
            now=self.now,
        )

    def _web_socket(self, *, window: int, token: str | None, address: str | None) -> Socket:
        connection = Connection(verify=self.verify, rules=self.rules, token=token, window=window)
        return Socket(self, self._connections, connection, address=address)

    def _stream(self, *, length: int, address: str | None) -> Socket:
        return Socket(
            self, self._connections, Stream(verify=self.verify, rules=self.rules, length=length), address=address
        )

    def ready(self) -> bool:
        """Whether clients can be served."""
        return not self.left.is_set() and self.hub.ready(self.now())

    def leave(self) -> None:
        """Be ready no more: load balancers send nobody else."""
        self.left.set()

    @property
    def sockets(self) -> list[Socket]:
        """All WebSockets and streams."""
        return [socket for socket in self._connections if isinstance(socket, Socket)]

    async def dismiss(self, sockets: Sequence[Socket]) -> None:
        """Send clients to the other fronts, one after the other; the rest is served until its turn comes.

        Args:
            sockets: Who is to go.

        """
        departure = Departure(sockets, self._pace, self.now())
        while not departure.over:
            if self.hurry.is_set():
                departure.hurry()
            for leaving, seconds in departure.due(self.now()):
                leaving.close(CloseCode.GOING_AWAY, farewell(seconds))
            with suppress(TimeoutError):
                await asyncio.wait_for(self.hurry.wait(), DISMISS)

    def flush_soon(self) -> None:
        """Send what the hub has made at the end of this turn of the loop."""
        if not self._flush_due:
            self._flush_due = True
            self._loop.call_soon(self._flush)

    async def run(self) -> None:
        """Carry messages until cancelled."""
        await self._retry(self._bus.start)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._read())
            tasks.create_task(self._append())
            tasks.create_task(self._sweep())

    def _flush(self) -> None:
        self._flush_due = False
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
        if self._told_at:
            now = time.time()
            for told_at in self._told_at:
                # Clocks of two machines differ.
                self.hub.metrics.lag.observe(max(0.0, now - told_at))
            self._told_at.clear()
        if self.hub.has_messages or self.hub.has_changes:
            self._gathered.set()

    async def _read(self) -> None:
        while True:
            for run in runs(await self._retry(self._bus.read)):
                try:
                    if isinstance(run[0], Missed):
                        _logger.warning("= messages were missed: asking again")
                    if isinstance(run[0], Kick):
                        self._kick(run[0])
                    elif isinstance(run[0], Drain):
                        self._drain(run[0].share)
                    else:
                        self.hub.take_run(run, self.now())
                        if isinstance(run[0], Commit) and run[0].told_at:
                            self._told_at.append(run[0].told_at)
                except Exception:
                    _logger.exception("x a %s could not be taken", type(run[0]).__name__)
                    for message in run:
                        self.hub.doubt(message, self.now())
            self.flush_soon()

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
            if one.actor == kick.actor:
                one.close(CloseCode.KICKED, kick.reason)

    async def _append(self) -> None:
        # One call at a time: what comes meanwhile gathers, and goes in order.
        renew_at = self.now()
        while True:
            if self.hub.unregistered:
                renew_at = self.now() + RENEW
                await self._retry(partial(self._bus.register, *self.hub.everything()))
            elif self.now() >= renew_at:
                renew_at = self.now() + RENEW
                if not await self._retry(self._bus.renew):
                    _logger.warning("= the bus has lost what was registered")
                    self.hub.bus_returned(self.now())
                continue
            changes, parcel = self.hub.changes(), self.hub.parcel()
            if parcel is not None:
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
