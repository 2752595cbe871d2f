"""One client's socket: its bytes, its silence, its end."""

import asyncio
import logging
import math
import socket
import time
from collections.abc import Callable
from typing import Any, Protocol, cast

from broker.messages import Connected

from .clients import Client
from .codes import CloseCode
from .connection import HEARTBEAT, Connection, Opened, Refreshed, State
from .direct_wire import DirectWire
from .gates import Identity
from .hub import Hub
from .rules import Rules
from .ticks import Wheel

HELLO_WITHIN = 10.0
"""Seconds a client has for its ``hello`` (docs/protocol.md §2)."""

BLOCKED_AT_MOST = 60.0
"""A socket that takes nothing for so many seconds is given up (4202); one that takes little is not."""

CLOSE_WITHIN = 3.0
"""Seconds a client has to answer our close before its socket is cut."""

WRITE_BUFFER = 262_144
"""A client for whom more bytes than this wait is not heard until it has read them: it would ask for more."""

_logger = logging.getLogger("front")


class Front(Protocol):
    """What the sockets of a front share."""

    hub: Hub
    rules: Rules
    wheel: Wheel[Any]
    """Tells when to look at a socket."""
    now: Callable[[], float]
    """The clock, in seconds."""

    def flush_soon(self) -> None:
        """Send what the hub has made at the end of this turn of the loop."""


class Socket(asyncio.Protocol):
    """One client's socket: carries bytes between transport, connection and hub."""

    __slots__ = (
        "_address",
        "_blocked_at",
        "_blocked_bytes",
        "_client",
        "_closing_at",
        "_connection",
        "_front",
        "_good_until",
        "_heard_at",
        "_opened_at",
        "_pinged_at",
        "_sockets",
        "_transport",
        "_wire",
        "slot",
    )

    def __init__(self, front: Front, sockets: set[Any], connection: Connection, *, address: str | None = None) -> None:
        self._front = front
        self._address = address  # under what the doorway counted it
        self._sockets = sockets  # uvicorn's: it waits at its end for all that are in it
        self._connection = connection
        self._transport: asyncio.Transport | None = None
        self._client: Client | None = None
        self._wire: DirectWire | None = None  # once the client was let in
        self._good_until = math.inf  # its token, by the server's clock
        self._opened_at = self._heard_at = front.now()
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
        self._front.wheel.put(self, self._opened_at + HELLO_WITHIN)

    def data_received(self, data: bytes) -> None:
        """Bytes from the client."""
        self._heard_at = self._front.now()
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
            self._front.rules.addresses.leave(self._address)
        self._sockets.discard(self)
        self._front.wheel.remove(self)
        self._leave()

    def pause_writing(self) -> None:
        """The client reads too slowly: hold back what can be, and let nothing overtake what waits."""
        self._blocked_at = self._front.now()
        self._blocked_bytes = self._transport.get_write_buffer_size() if self._transport is not None else 0
        if self._wire is not None and self._client is not None:
            self._wire.part()
            self._front.hub.blocked(self._client)
        if self._closing_at is None:
            self._front.wheel.put(self, min(self._blocked_at + BLOCKED_AT_MOST, self._good_until))

    def resume_writing(self) -> None:
        """The client has read what waited."""
        self._blocked_at = None
        # If we did not listen it could not be heard.
        self._heard_at = self._front.now()
        self._pinged_at = None
        if self._transport is None or self._transport.is_closing():
            return
        if self._closing_at is None:
            self._front.wheel.put(self, self._heard_at)  # for its heartbeat
        self._transport.resume_reading()
        if self._wire is not None and self._client is not None:
            self._wire.reach(self._transport)
            self._front.hub.drained(self._client, self._heard_at)
            self._front.flush_soon()

    def shutdown(self) -> None:
        """The front ends."""
        self.close(CloseCode.GOING_AWAY, "the front is going away")

    # What the server calls.

    def of(self, actor: str) -> Connected | None:
        """What there is to know of it, if it is this actor's."""
        if self._client is None or self._client.identity.actor != actor:
            return None
        return Connected(
            client=self._client.client_id,
            over="websocket" if self._connection.answers else "events",
            address=self._address or "",
            seconds=self._front.now() - self._opened_at,
            stores=len(self._client.subscriptions),
            blocked=self._client.blocked,
        )

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
            self._front.wheel.put(self, min(again, self._good_until))

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
                self._front.rules.refusals.note(CloseCode.BLOCKED)
                transport.abort()
                return
            since = self._blocked_at = now
            self._blocked_bytes = waiting
        self._front.wheel.put(self, min(since + BLOCKED_AT_MOST, self._good_until))

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
                self._closing_at = self._front.now() + CLOSE_WITHIN
                if self._connection.code not in {None, CloseCode.GOING_AWAY}:
                    self._front.rules.refusals.note(self._connection.code)
                self._front.wheel.put(self, self._closing_at)

    def _carry(self) -> None:
        hub, now = self._front.hub, self._heard_at
        for event in self._connection.events():
            if isinstance(event, Opened):
                self._prolong(event.identity)
                assert self._transport is not None, "bytes come from a socket that is there"
                self._wire = DirectWire(self)
                self._client = hub.opened(event.identity, event.client, wire=self._wire, window=self._connection.window)
                self._front.rules.actors.enter(event.identity.actor)
                hub.metrics.opened += 1
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
        self._front.flush_soon()

    def _prolong(self, identity: Identity) -> None:
        """Stay for as long as a token is good, of which the wall clock tells."""
        self._good_until = self._heard_at + identity.good_until - time.time()
        if self._good_until < self._heard_at + BLOCKED_AT_MOST:
            # Most last beyond the next look, and that one sees to it.
            self._front.wheel.put(self, min(self._heard_at + HEARTBEAT, self._good_until))

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
            self._front.hub.closed(client, self._front.now())
            self._front.rules.actors.leave(client.identity.actor)
