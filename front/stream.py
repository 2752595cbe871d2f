"""``POST /events``: the frames of a WebSocket as server-sent events, for networks without WebSocket.

What a client would say on a WebSocket stands in the request's body, and the stream says what a front would say. The
socket, its hub and its caches are those of a WebSocket as well, so that it costs no more.
"""

import re
from collections.abc import Callable
from http import HTTPStatus

import msgspec

from .codes import CloseCode
from .connection import Connection, State
from .events import EVENTS, event, events
from .frames import MAX_FRAME, BadFrame, Fault, messages
from .gates import Identity
from .problems import CONTENT_TYPE, details, fault_of, status_of
from .rules import Rules

MOST_SAID = 4 * MAX_FRAME
"""Longest body of a request that holds frames, in bytes."""

COMMENT = b":\n\n"

HEAD = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nCache-Control: no-store\r\nX-Accel-Buffering: no\r\n"
    b"Connection: close\r\n\r\n"
)
"""Without a length: the stream is as long as its connection."""

_REQUEST = re.compile(rb"POST /events(?:\?[!-~]*)? HTTP/1\.[01]\r\n")
_HEADERS = re.compile(
    rb"\r\n(content-type|content-length|transfer-encoding):[ \t]*([^\r\n]*?)[ \t]*(?=\r\n)", re.IGNORECASE
)


def is_for_stream(head: bytes) -> bool:
    """Whether a request asks for events."""
    return head.startswith((b"POST /events ", b"POST /events?"))


def length_of(head: bytes) -> int | tuple[HTTPStatus, bytes]:
    """How long the body is, or the status and the answer of a request that is none of ours.

    Args:
        head: The request up to and with the blank line.

    """
    headers: dict[bytes, bytes] = {}
    for name, value in _HEADERS.findall(head):
        if headers.setdefault(name.lower(), value) != value:
            return coded_refusal("bad_request", "A header is given twice.")
    if not _REQUEST.match(head):
        return coded_refusal("bad_request", "HTTP/1.1 is expected.")
    if headers.get(b"content-type", b"").partition(b";")[0].strip().lower() != b"application/json":
        return coded_refusal("not_json", "The body must be application/json.")
    length = headers.get(b"content-length", b"")
    if b"transfer-encoding" in headers or not length.isdigit():
        return coded_refusal("bad_request", "Content-Length is expected.")
    if len(length) > len(str(MOST_SAID)) or int(length) > MOST_SAID:
        return coded_refusal("too_large", f"At most {MOST_SAID} bytes.")
    return int(length)


class Stream(Connection):
    """A client that said all it had to say in the body of its request, and takes events.

    Args:
        verify: Tells who a token speaks for, or raises TokenRefused.
        rules: How much is allowed.
        length: How long the body is, in bytes.

    """

    answers = False

    __slots__ = ("_begun", "_body", "_length")

    def __init__(self, *, verify: Callable[[str], Identity], rules: Rules, length: int) -> None:
        super().__init__(verify=verify, rules=rules)
        self.window = EVENTS
        self._body = b""
        self._length = length
        self._begun = False

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
        if not self._begun:
            self._begun = True
            self._writes += (HEAD,)
        self._writes += (events(frame),)

    def _end(self, payload: bytes) -> None:
        self.state = State.CLOSED
        code, reason = int.from_bytes(payload[:2], "big"), payload[2:].decode()
        if self._begun:
            goodbye = event(msgspec.json.encode({"type": "closed", "code": code, "reason": reason}))
        else:
            fault = fault_of(code, reason)
            goodbye = _answer(status_of(fault.code), details(fault, close=code))
        self._writes += (goodbye, b"")


def coded_refusal(code: str, message: str) -> tuple[HTTPStatus, bytes]:
    """The status and the bytes of an answer that refuses with problem details, after which the connection ends."""
    status = status_of(code)
    return status, _answer(status, details(Fault(code, message)))


def _answer(status: HTTPStatus, body: bytes) -> bytes:
    head = (
        f"HTTP/1.1 {status.value} {status.phrase}\r\nContent-Type: {CONTENT_TYPE}\r\nContent-Length: {len(body)}\r\n"
        "Cache-Control: no-store\r\nConnection: close\r\n"
    )
    if status is HTTPStatus.UNAUTHORIZED:
        head += "WWW-Authenticate: Bearer\r\n"
    return head.encode() + b"\r\n" + body
