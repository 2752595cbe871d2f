"""``/events``: the frames of a WebSocket as server-sent events, for networks without WebSocket.

What a client would say on a WebSocket stands in the body of a ``POST``, or, since a browser's ``EventSource`` can send
none, in the address of a ``GET``; the stream says what a front would say. The socket, its hub and its caches are those
of a WebSocket as well, so that it costs no more.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from urllib.parse import parse_qs

import msgspec

from .codes import CloseCode
from .connection import Connection, State
from .credentials import token_with
from .events import EVENTS, event, events
from .frames import MAX_FRAME, BadFrame, Dispatch, Fault, Hello, Refresh, Subscribe, messages, parse
from .gates import NOBODY, Identity
from .problems import CONTENT_TYPE, details, fault_of, status_of
from .rules import Rules

MOST_SAID = 4 * MAX_FRAME
"""Longest body of a request that holds frames, in bytes."""

COMMENT = b":\n\n"

HEAD = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nCache-Control: no-store\r\nX-Accel-Buffering: no\r\n"
    b"X-Content-Type-Options: nosniff\r\nConnection: close\r\n"
)
"""Without a length: the stream is as long as its connection. The blank line follows."""

_TARGET = re.compile(rb"(POST|GET) /events(?:\?([!-~]*))? HTTP/1\.[01]\r\n")
_HEADERS = re.compile(
    rb"\r\n(authorization|content-type|content-length|cookie|last-event-id|origin|sec-fetch-site|transfer-encoding):"
    rb"[ \t]*([^\r\n]*?)[ \t]*(?=\r\n)",
    re.IGNORECASE,
)
_VERSION = re.compile(r"[0-9]{1,15}")


@dataclass(frozen=True, slots=True)
class Asked:
    """What the head of a request for events says."""

    length: int
    """Of what the client has to say, in bytes."""
    said: bytes | None = None
    """That, if it stands in the address."""
    token: str | None = None
    """That came with the request."""
    origin: str | None = None
    """Of the page that asks."""


class Refused(Exception):
    """A request for events that is none.

    Args:
        code: As in problem details.
        message: For developers.

    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.fault = Fault(code, message)


def is_for_stream(head: bytes) -> bool:
    """Whether a request asks for events."""
    return head.startswith((b"POST /events ", b"POST /events?", b"GET /events ", b"GET /events?"))


def asked_in(head: bytes, cookie: str = "") -> Asked:
    """What a request asks for.

    Args:
        head: The request up to and with the blank line.
        cookie: Name of the cookie that may hold a token; "" if none may.

    Raises:
        Refused: It makes no sense.

    """
    headers: dict[str, str] = {}
    for name, value in _HEADERS.findall(head):
        written = value.decode("latin-1")
        if headers.setdefault(name.decode().lower(), written) != written:
            raise Refused("bad_request", "A header is given twice.")
    target = _TARGET.match(head)
    if target is None:
        raise Refused("bad_request", "HTTP/1.1 is expected.")
    token, origin = token_with(headers, cookie), headers.get("origin")
    if target[1] == b"GET":
        said = _addressed((target[2] or b"").decode(), headers.get("last-event-id", ""))
        return Asked(len(said), said, token, origin)
    if headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise Refused("not_json", "The body must be application/json.")
    length = headers.get("content-length", "")
    if "transfer-encoding" in headers or not (length.isascii() and length.isdigit()):
        raise Refused("bad_request", "Content-Length is expected.")
    if len(length) > len(str(MOST_SAID)) or int(length) > MOST_SAID:
        raise Refused("too_large", f"At most {MOST_SAID} bytes.")
    return Asked(int(length), None, token, origin)


def _addressed(query: str, last_event: str) -> bytes:
    """What a client says in an address: nothing that changes anything, and nothing that nobody else may see."""
    try:
        (said,) = parse_qs(query, strict_parsing=True, errors="strict")["say"]
        frames = [parse(message) for message in messages(said.encode())]
    except (BadFrame, KeyError, ValueError) as exc:
        raise Refused("bad_request", f"say is expected in the address, a JSON list of frames: {exc}") from None
    for frame in frames:
        if isinstance(frame, Dispatch):
            raise Refused("bad_request", "A GET changes nothing: actions go by POST.")
        if isinstance(frame, Refresh) or (isinstance(frame, Hello) and frame.token is not None):
            raise Refused("bad_request", "Addresses are logged: no token in them.")
    return _resumed(said.encode(), [frame for frame in frames if isinstance(frame, Subscribe)], last_event)


def _resumed(said: bytes, subscribes: list[Subscribe], last_event: str) -> bytes:
    """What an ``EventSource`` says that comes back: its address is as it was, and it names the last event it got."""
    epoch, _, version = last_event.rpartition(".")
    stores = [store for subscribe in subscribes for store in subscribe.stores]
    if len(stores) != 1 or not epoch or not _VERSION.fullmatch(version):
        return said
    frames = msgspec.json.decode(said)
    for frame in frames:
        if frame["type"] == "subscribe":
            frame["stores"][0] |= {"epoch": epoch, "version": int(version)}
    return msgspec.json.encode(frames)


class Stream(Connection):
    """A client that said all it had to say with its request, and takes events.

    Args:
        verify: Tells who a token speaks for, or raises TokenRefused.
        rules: How much is allowed.
        asked: What the head of the request says.

    """

    answers = False

    __slots__ = ("_body", "_head", "_length", "_reads")

    def __init__(self, *, verify: Callable[[str], Identity], rules: Rules, asked: Asked) -> None:
        super().__init__(verify=verify, rules=rules, token=asked.token)
        self.window = EVENTS
        self._body = b""
        self._length = asked.length
        self._head = HEAD + rules.origins.shared_with(asked.origin) + b"\r\n"  # until it is sent
        self._reads = asked.said is not None  # and does nothing else

    def receive(self, data: bytes, now: float) -> None:  # noqa: ARG002 - a body is bounded, and comes once
        """Take bytes of the body; what comes behind it is not looked at."""
        if self.closed or self._length == 0:
            return
        self._body += data
        if len(self._body) < self._length:
            return
        body, self._body = self._body[: self._length], b""
        self._length = 0
        try:
            said = messages(body)
        except BadFrame as exc:
            self.close(CloseCode.BAD_FRAME, str(exc))
            return
        for message in said:
            self.receive_message(message)
        if self.state is State.OPENING:
            self.close(CloseCode.BAD_FRAME, "hello is expected")

    def ping(self) -> None:
        """Say something that is no event; whether it arrives only the system learns."""
        if not self.closed:
            self._writes += (COMMENT,)

    def _say(self, frame: bytes) -> None:
        if self._head:
            self._writes += (self._head,)
            self._head = b""
        self._writes += (events(frame),)

    def _stranger(self) -> Identity | None:
        return NOBODY if self._reads and self._rules.guests else super()._stranger()

    def _end(self, payload: bytes) -> None:
        self.state = State.CLOSED
        code, reason = int.from_bytes(payload[:2], "big"), payload[2:].decode()
        if not self._head:
            goodbye = event(msgspec.json.encode({"type": "closed", "code": code, "reason": reason}))
        else:
            fault = fault_of(code, reason)
            goodbye = _answer(status_of(fault.code), details(fault, close=code))
        self._writes += (goodbye, b"")


def coded_refusal(fault: Fault) -> tuple[HTTPStatus, bytes]:
    """The status and the bytes of an answer that refuses with problem details, after which the connection ends."""
    status = status_of(fault.code)
    return status, _answer(status, details(fault))


def _answer(status: HTTPStatus, body: bytes) -> bytes:
    head = (
        f"HTTP/1.1 {status.value} {status.phrase}\r\nContent-Type: {CONTENT_TYPE}\r\nContent-Length: {len(body)}\r\n"
        "Cache-Control: no-store\r\nConnection: close\r\n"
    )
    if status is HTTPStatus.UNAUTHORIZED:
        head += "WWW-Authenticate: Bearer\r\n"
    return head.encode() + b"\r\n" + body
