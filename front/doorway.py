"""Where connections come in: the head of the first request says who shall have the socket.

The WebSocket gets it at once; whatever else is asked for is uvicorn's. Nobody is waited for long, and nothing
beyond a head's longest is kept.
"""

import asyncio
from collections.abc import Callable
from http import HTTPStatus
from typing import Any, cast

from .handshake import END_OF_HEAD, MAX_HEAD, is_for_us, refusal, shake_hands
from .ticks import Wheel

HEAD_WITHIN = 10.0
"""Seconds a client has for the head of its request."""

HTTP_WITHIN = 60.0
"""Seconds that plain HTTP has altogether; a connection carries one request."""


class Doorway(asyncio.Protocol):
    """A connection whose request has not come whole yet, or that is plain HTTP.

    Args:
        accept: Makes the protocol of a WebSocket with these window bits.
        http: Makes uvicorn's protocol.
        connections: All that uvicorn waits for at its end.
        wheel: Tells when time is up.
        now: The clock, in seconds.

    """

    __slots__ = ("_accept", "_connections", "_head", "_http", "_inner", "_now", "_transport", "_wheel", "slot")

    def __init__(
        self,
        *,
        accept: Callable[[int], asyncio.Protocol],
        http: Callable[[], asyncio.Protocol],
        connections: set[Any],
        wheel: Wheel[Any],
        now: Callable[[], float],
    ) -> None:
        self._accept = accept
        self._http = http
        self._connections = connections
        self._wheel = wheel
        self._now = now
        self._head = b""
        self._inner: asyncio.Protocol | None = None  # uvicorn's, once it has the request
        self._transport: asyncio.Transport | None = None
        self.slot: int | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Somebody is there."""
        self._transport = cast("asyncio.Transport", transport)
        self._connections.add(self)
        self._wheel.put(self, self._now() + HEAD_WITHIN)

    def data_received(self, data: bytes) -> None:
        """A part of the head, or all of it and what follows."""
        if self._inner is not None:
            self._inner.data_received(data)
            return
        transport = self._transport
        if transport is None or transport.is_closing():
            return
        data = self._head + data if self._head else data
        end = data.find(END_OF_HEAD)
        if end < 0 or end > MAX_HEAD:
            self._head = data
            if len(data) > MAX_HEAD:
                self._refuse(refusal(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, f"At most {MAX_HEAD} bytes."))
            return
        self._head = b""
        if not is_for_us(data):
            # It stays between uvicorn and the socket, to know when that is gone.
            self._wheel.put(self, self._now() + HTTP_WITHIN)
            self._connections.discard(self)
            self._inner = self._http()
            self._inner.connection_made(transport)
            self._inner.data_received(data)
            return
        end += len(END_OF_HEAD)
        answer = shake_hands(data[:end])
        if not answer.accepted:
            self._refuse(answer.response)
            return
        transport.write(answer.response)
        self._leave()
        protocol = self._accept(answer.window)
        transport.set_protocol(protocol)
        protocol.connection_made(transport)
        if len(data) > end:
            protocol.data_received(data[end:])

    def eof_received(self) -> bool | None:
        """The client sends no more."""
        return self._inner.eof_received() if self._inner is not None else None

    def pause_writing(self) -> None:
        """The client reads too slowly."""
        if self._inner is not None:
            self._inner.pause_writing()

    def resume_writing(self) -> None:
        """The client has read what waited."""
        if self._inner is not None:
            self._inner.resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        """Nobody is there any more."""
        self._leave()
        self._transport = None
        if self._inner is not None:
            self._inner.connection_lost(exc)

    def look(self, now: float) -> None:  # noqa: ARG002 - as every item of the wheel
        """Time is up."""
        if self._transport is not None:
            self._transport.abort()

    def shutdown(self) -> None:
        """The front ends."""
        if self._transport is not None:
            self._transport.close()

    def _refuse(self, response: bytes) -> None:
        assert self._transport is not None
        self._head = b""
        self._transport.write(response)
        self._transport.close()

    def _leave(self) -> None:
        self._wheel.remove(self)
        self._connections.discard(self)
