"""Where connections come in: the head of the first request says who shall have the socket.

The WebSocket gets it at once; whatever else is asked for is uvicorn's. Nobody is waited for long, and nothing
beyond a head's longest is kept.
"""

import asyncio
from collections.abc import Callable
from http import HTTPStatus
from typing import Any, Protocol, cast

from .frames import Fault
from .handshake import END_OF_HEAD, MAX_HEAD, is_for_us, refusal, shake_hands
from .origins import REFUSAL
from .proxies import BadProxy, announced, counted_as
from .rules import Rules
from .stream import Asked, Refused, asked_in, coded_refusal, is_for_stream
from .ticks import Wheel

HEAD_WITHIN = 10.0
"""Seconds a client has for the head of its request."""

HTTP_WITHIN = 60.0
"""Seconds that plain HTTP has altogether; a connection carries one request."""

_LEAVING = refusal(HTTPStatus.SERVICE_UNAVAILABLE, "This front is going away; ask again.", b"Retry-After: 0\r\n")

_TOO_MANY = refusal(
    HTTPStatus.TOO_MANY_REQUESTS, "Too many connections of this address, or too fast.", b"Retry-After: 10\r\n"
)


class House(Protocol):
    """What the doorway leads into."""

    rules: Rules
    wheel: Wheel[Any]
    """Tells when time is up."""
    now: Callable[[], float]
    """The clock, in seconds."""

    def web_socket(self, *, window: int, token: str | None, address: str | None) -> asyncio.Protocol:
        """Make the protocol of a WebSocket.

        Args:
            window: Window bits of what the client takes compressed; 0: nothing.
            token: That came with the request.
            address: Under what it is counted, and to be counted out when it is lost.

        """

    def stream(self, *, asked: Asked, address: str | None) -> asyncio.Protocol:
        """Make the protocol of a client that takes events.

        Args:
            asked: What the head of its request says.
            address: As for a WebSocket.

        """


class Doorway(asyncio.Protocol):
    """A connection whose request has not come whole yet, or that is plain HTTP.

    Args:
        house: Who gets the socket unless it is plain HTTP.
        http: Makes uvicorn's protocol.
        connections: All that uvicorn waits for at its end.

    """

    __slots__ = (
        "_address",
        "_connections",
        "_head",
        "_house",
        "_http",
        "_inner",
        "_introduced",
        "_proxy",
        "_transport",
        "slot",
    )

    def __init__(self, house: House, http: Callable[[], asyncio.Protocol], connections: set[Any]) -> None:
        self._house = house
        self._http = http
        self._connections = connections
        self._head = b""
        self._address: str | None = None  # under what it was counted in
        self._proxy: str | None = None  # who has to say first whose connection it is
        self._introduced = False  # as far as the PROXY protocol goes
        self._inner: asyncio.Protocol | None = None  # uvicorn's, once it has the request
        self._transport: asyncio.Transport | None = None
        self.slot: int | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Somebody is there."""
        self._transport = cast("asyncio.Transport", transport)
        self._connections.add(self)
        self._house.wheel.put(self, self._house.now() + HEAD_WITHIN)
        peer = transport.get_extra_info("peername")
        address = str(peer[0]) if peer else ""
        if self._house.rules.proxies.trusts(address):
            self._proxy = address
        else:
            self._count_in(address)

    def data_received(self, data: bytes) -> None:
        """A part of the head, or all of it and what follows."""
        if self._inner is not None:
            self._inner.data_received(data)
            return
        transport = self._transport
        if transport is None or transport.is_closing():
            return
        if self._head:
            data = self._head + data
        if self._proxy is None or self._introduced:
            self._read_head(transport, data)
        else:
            begin = self._introduce(data)
            if begin is not None:
                self._read_head(transport, data[begin:])

    def _read_head(self, transport: asyncio.Transport, data: bytes) -> None:
        end = data.find(END_OF_HEAD)
        if end < 0 or end > MAX_HEAD:
            self._keep(data)
            return
        self._head = b""
        if self._proxy is not None and not self._count_in(self._house.rules.proxies.client(self._proxy, data[:end])):
            return
        self._proxy = None
        begin = end + len(END_OF_HEAD)
        if is_for_us(data):
            self._read_upgrade(transport, data, begin)
        elif is_for_stream(data):
            self._read_stream_head(transport, data, begin)
        elif not self._house.rules.origins.admit_http(data[:end]):
            self._refuse(*coded_refusal(Fault("forbidden", REFUSAL)))
        else:
            # It stays between uvicorn and the socket, to know when that is gone.
            self._house.wheel.put(self, self._house.now() + HTTP_WITHIN)
            self._connections.discard(self)
            self._inner = self._http()
            self._inner.connection_made(transport)
            self._inner.data_received(data)

    def _read_upgrade(self, transport: asyncio.Transport, data: bytes, end: int) -> None:
        rules = self._house.rules
        if rules.leaving:
            self._refuse(HTTPStatus.SERVICE_UNAVAILABLE, _LEAVING)
            return
        answer = shake_hands(data[:end], origins=rules.origins, cookie=rules.cookie)
        if not answer.accepted:
            self._refuse(answer.status, answer.response)
            return
        transport.write(answer.response)
        protocol = self._house.web_socket(window=answer.window, token=answer.token, address=self._address)
        self._hand_over(transport, protocol, data[end:])

    def _read_stream_head(self, transport: asyncio.Transport, data: bytes, end: int) -> None:
        rules = self._house.rules
        # A stream lasts, and is a browser's alone to open with a cookie: also one that only reads has to be ours.
        if not rules.origins.admit_page(data[: end - len(END_OF_HEAD)]):
            self._refuse(*coded_refusal(Fault("forbidden", REFUSAL)))
            return
        if rules.leaving:
            self._refuse(HTTPStatus.SERVICE_UNAVAILABLE, _LEAVING)
            return
        try:
            asked = asked_in(data[:end], rules.cookie)
        except Refused as exc:
            self._refuse(*coded_refusal(exc.fault))
            return
        protocol = self._house.stream(asked=asked, address=self._address)
        self._hand_over(transport, protocol, data[end:] if asked.said is None else asked.said)

    def _hand_over(self, transport: asyncio.Transport, protocol: asyncio.Protocol, rest: bytes) -> None:
        self._leave()
        transport.set_protocol(protocol)
        protocol.connection_made(transport)
        if rest:
            protocol.data_received(rest)

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
        if self._address is not None:
            self._house.rules.addresses.leave(self._address)
            self._address = None
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

    def _introduce(self, data: bytes) -> int | None:
        """Let a proxy say whose connection it is; how many bytes that took, None if it is not to go on now."""
        try:
            found = announced(data)
        except BadProxy:
            self._refuse(HTTPStatus.BAD_REQUEST, refusal(HTTPStatus.BAD_REQUEST, "No header of the PROXY protocol."))
            return None
        if found is None:
            self._keep(data)
            return None
        self._introduced = True
        address, size = found
        if address is not None:
            self._proxy = address if self._house.rules.proxies.trusts(address) else None
            if self._proxy is None and not self._count_in(address):
                return None
        return size

    def _count_in(self, address: str) -> bool:
        """Count a connection under its address, or refuse it."""
        who, addresses = counted_as(address), self._house.rules.addresses
        if who is None:
            return True
        if not addresses.has_room(who) or not addresses.spend(who, self._house.now()):
            self._refuse(HTTPStatus.TOO_MANY_REQUESTS, _TOO_MANY)
            return False
        addresses.enter(who)
        self._address = who
        return True

    def _keep(self, data: bytes) -> None:
        self._head = data
        if len(data) > MAX_HEAD:
            status = HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE
            self._refuse(status, refusal(status, f"At most {MAX_HEAD} bytes."))

    def _refuse(self, status: HTTPStatus, response: bytes) -> None:
        assert self._transport is not None
        self._house.rules.refusals.note(status)
        self._head = b""
        self._transport.write(response)
        self._transport.close()

    def _leave(self) -> None:
        self._house.wheel.remove(self)
        self._connections.discard(self)
