"""A client connection without its socket: bytes in, events and bytes out (docs/protocol.md §1, §2).

Nothing here awaits, reads a clock or touches a transport; ``server`` does. Around websockets' own Sans-I/O
core it adds the frames, the states and the codes of our protocol.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto
from http import HTTPStatus

from websockets import State as WebSocketState
from websockets.frames import CloseCode as StandardCloseCode
from websockets.frames import Frame, Opcode
from websockets.http11 import Request
from websockets.server import ServerProtocol

from .codes import CloseCode
from .frames import (
    MAX_FRAME,
    PROTOCOL,
    BadFrame,
    Dispatch,
    Hello,
    Ping,
    Pong,
    Subscribe,
    Unsubscribe,
    UpFrame,
    Welcome,
    build,
    parse,
)
from .gates import Identity, TokenRefused

HEARTBEAT = 25.0
"""After so many seconds of silence each side makes sure that the other is there (§2)."""

PATH = "/ws"

REASON_BYTES = 123  # RFC 6455 §5.5: what a close frame has room for


class State(Enum):
    """Where a connection stands (§2, States)."""

    OPENING = auto()
    OPEN = auto()
    CLOSED = auto()


# §2: what each state accepts, and where it leads. What is not listed closes with 4001.
TRANSITIONS: dict[State, dict[type[UpFrame], State]] = {
    State.OPENING: {Hello: State.OPEN},
    State.OPEN: {
        Subscribe: State.OPEN,
        Unsubscribe: State.OPEN,
        Dispatch: State.OPEN,
        Ping: State.OPEN,
    },
    State.CLOSED: {},
}

PONG = build(Pong())


@dataclass(frozen=True, slots=True)
class Opened:
    """The client said hello and was let in."""

    identity: Identity
    client: str
    """The client's own id (§2)."""


Event = Opened | Subscribe | Unsubscribe | Dispatch
"""What the hub hears of a connection."""

_logger = logging.getLogger("front.websocket")
_logger.setLevel(logging.WARNING)  # websockets tells of every connection otherwise


class _Protocol(ServerProtocol):
    def fail(self, code: StandardCloseCode | int, reason: str = "") -> None:
        """Close with our own code for a frame that is too large (§1)."""
        super().fail(CloseCode.FRAME_TOO_LARGE if code == StandardCloseCode.MESSAGE_TOO_BIG else code, reason)


class Connection:
    """State machine of one client connection.

    Args:
        verify: Tells who a token speaks for, or raises TokenRefused.

    """

    __slots__ = ("_events", "_parts", "_protocol", "_verify", "_writes", "state")

    def __init__(self, *, verify: Callable[[str], Identity]) -> None:
        self._verify = verify
        self._protocol = _Protocol(max_size=MAX_FRAME, logger=_logger)
        self._events: list[Event] = []
        self._writes: list[bytes] = []
        self._parts: list[bytes] = []  # of a fragmented message
        self.state = State.OPENING

    def receive(self, data: bytes) -> None:
        """Take bytes from the client's socket.

        Never raises: a client that breaks the protocol is closed with a code of §6. Call :meth:`events` and
        :meth:`data_to_send` next, and see whether :attr:`state` is closed.
        """
        self._protocol.receive_data(data)
        self._process()

    def receive_eof(self) -> None:
        """Take the end of the client's stream; what follows is as after :meth:`receive`."""
        self._protocol.receive_eof()
        self._process()

    def events(self) -> list[Event]:
        """What the client said since the last call."""
        events, self._events = self._events, []
        return events

    def ping(self) -> None:
        """Make sure that the client is there; call :meth:`data_to_send` next."""
        if self._protocol.state is WebSocketState.OPEN:
            self._protocol.send_ping(b"")

    def close(self, code: CloseCode, reason: str = "") -> None:
        """End the connection with a code; call :meth:`data_to_send` next."""
        if self.state is not State.CLOSED:
            self.state = State.CLOSED
            self._protocol.fail(code, reason.encode()[:REASON_BYTES].decode(errors="ignore"))

    def data_to_send(self) -> list[bytes]:
        """Bytes for the client's socket; an empty one asks for its end.

        Frames of stores and outcomes are not among them: they are ready bytes and go straight to the socket.
        """
        writes, self._writes = self._writes + self._protocol.data_to_send(), []
        return writes

    def _process(self) -> None:
        for event in self._protocol.events_received():
            if self.state is State.CLOSED:
                break
            if isinstance(event, Request):
                self._shake_hands(event)
            elif isinstance(event, Frame):
                self._receive_frame(event)
        if self._protocol.close_expected() or self._protocol.state is WebSocketState.CLOSED:
            self.state = State.CLOSED

    def _shake_hands(self, request: Request) -> None:
        if request.path.partition("?")[0] == PATH:
            response = self._protocol.accept(request)
        else:
            response = self._protocol.reject(HTTPStatus.NOT_FOUND, f"The WebSocket is at {PATH}.\n")
        self._protocol.send_response(response)
        if response.status_code != HTTPStatus.SWITCHING_PROTOCOLS:
            self.state = State.CLOSED

    def _receive_frame(self, frame: Frame) -> None:
        if frame.opcode is Opcode.BINARY:
            self.close(CloseCode.BAD_FRAME, "a binary message")
        elif frame.opcode is Opcode.TEXT or frame.opcode is Opcode.CONT:
            if frame.fin and not self._parts:
                self._receive_message(bytes(frame.data))
                return
            self._parts.append(bytes(frame.data))
            if frame.fin:
                message, self._parts = b"".join(self._parts), []
                self._receive_message(message)

    def _receive_message(self, message: bytes) -> None:
        try:
            message.decode()
        except UnicodeDecodeError:
            self.close(CloseCode.INVALID_UTF8, "a text message that is no UTF-8")
            return
        try:
            frame = parse(message)
        except BadFrame as exc:
            self.close(CloseCode.BAD_FRAME, str(exc))
            return
        following = TRANSITIONS[self.state].get(type(frame))
        if following is None:
            self.close(CloseCode.BAD_FRAME, f"{type(frame).__name__.lower()} is not expected now")
        elif isinstance(frame, Hello):
            self._let_in(frame, following)
        elif isinstance(frame, Ping):
            self._send(PONG)
        else:
            self._events.append(frame)

    def _let_in(self, hello: Hello, following: State) -> None:
        if PROTOCOL not in hello.protocols:
            self.close(CloseCode.NO_COMMON_VERSION, f"this front speaks version {PROTOCOL}")
            return
        if hello.token is None:
            self.close(CloseCode.NO_TOKEN, "a token is needed")
            return
        try:
            identity = self._verify(hello.token)
        except TokenRefused as exc:
            self.close(CloseCode.TOKEN_REFUSED, str(exc))
            return
        self.state = following
        welcome = Welcome(
            protocol=PROTOCOL, actor=identity.actor, max_frame=MAX_FRAME, heartbeat_ms=round(HEARTBEAT * 1000)
        )
        self._send(build(welcome))
        self._events.append(Opened(identity, hello.client))

    def _send(self, data: bytes) -> None:
        # What the core wants to say comes first: the answer to the handshake may be among it. Or a goodbye, for what
        # came in the same segment after the frame we answer: then nothing may follow.
        self._writes += self._protocol.data_to_send()
        if self._protocol.state is WebSocketState.OPEN:
            self._writes.append(data)
