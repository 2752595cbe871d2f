"""A client connection without its socket: bytes in, events and bytes out (docs/protocol.md §1, §2).

Nothing here awaits, reads a clock or touches a transport; ``server`` does. The handshake lies behind it
(``handshake``); ``incoming`` finds the messages in the bytes, and this gives them their meaning.
"""

from collections.abc import Callable
from enum import Enum, auto

import msgspec

from .codes import CloseCode
from .frames import (
    MAX_FRAME,
    PROTOCOL,
    BadFrame,
    Dispatch,
    Hello,
    Ping,
    Pong,
    Refresh,
    Subscribe,
    Unsubscribe,
    UpFrame,
    Welcome,
    build,
    parse,
)
from .gates import Identity, KeyUnknown, TokenRefused, same_but_for_times
from .incoming import Fault, Incoming, Opcode
from .rules import Rules

HEARTBEAT = 25.0
"""After so many seconds of silence each side makes sure that the other is there (§2)."""

HEARTBEAT_MS = round(HEARTBEAT * 1000)

REASON_BYTES = 123  # RFC 6455 §5.5: what a close frame has room for


class State(Enum):
    """Where a connection stands (§2, States)."""

    OPENING = auto()
    OPEN = auto()
    CLOSED = auto()

    __hash__ = object.__hash__  # an enum's own is a function of Python's, as are the ways to its members


# Every frame asks for these.
_OPENING, _OPEN, _CLOSED = State
_TEXT, _PING, _CLOSE = Opcode.TEXT, Opcode.PING, Opcode.CLOSE

# §2: what each state accepts, and where it leads. What is not listed closes with 4001.
TRANSITIONS: dict[State, dict[type[UpFrame], State]] = {
    State.OPENING: {Hello: State.OPEN},
    State.OPEN: {
        Refresh: State.OPEN,
        Subscribe: State.OPEN,
        Unsubscribe: State.OPEN,
        Dispatch: State.OPEN,
        Ping: State.OPEN,
    },
    State.CLOSED: {},
}

PONG = build(Pong())


class Opened(msgspec.Struct, frozen=True, gc=False):
    """The client said hello and was let in."""

    identity: Identity
    client: str
    """The client's own id (§2)."""


class Refreshed(msgspec.Struct, frozen=True, gc=False):
    """The client showed a fresh token of the same actor."""

    identity: Identity


Event = Opened | Refreshed | Subscribe | Unsubscribe | Dispatch
"""What the hub hears of a connection."""

PING = b"\x89\x00"

# RFC 6455 §7.4: codes that a client may close with; 4000 and more are ours to give, and harmless.
_CLIENT_CODES = frozenset((*range(1000, 1004), *range(1007, 1015), *range(3000, 5000)))


class Connection:
    """State machine of one client connection, from the end of the handshake on.

    Args:
        verify: Tells who a token speaks for, or raises TokenRefused.
        rules: How much is allowed.
        token: That came with the request, for a ``hello`` without one.
        window: Window bits of what this client takes compressed; 0: it neither takes nor sends such.

    """

    answers = True
    """Whether the client answers when it is asked for a sign of life."""

    __slots__ = (
        "_events",
        "_full_at",
        "_identity",
        "_incoming",
        "_rules",
        "_token",
        "_verify",
        "_writes",
        "code",
        "state",
        "window",
    )

    def __init__(
        self, *, verify: Callable[[str], Identity], rules: Rules, token: str | None = None, window: int = 0
    ) -> None:
        self._verify = verify
        self._rules = rules
        self._token = token
        self._full_at = 0.0
        self._identity: Identity | None = None
        self._incoming = Incoming(most=MAX_FRAME, compressed=window > 0)
        # Tuples, since most connections are silent most of the time, and the empty one costs nothing.
        self._events: tuple[Event, ...] = ()
        self._writes: tuple[bytes, ...] = ()
        self.window = window
        self.state = _OPENING
        self.code: CloseCode | None = None
        """What we closed it with, if we did."""

    @property
    def closed(self) -> bool:
        """Whether nothing is heard or said any more."""
        return self.state is _CLOSED

    @property
    def quiet(self) -> bool:
        """Whether there is nothing to be heard, sent or ended: most of the time a client only answers our ping."""
        return not self._events and not self._writes and self.state is not _CLOSED

    def receive(self, data: bytes, now: float) -> None:
        """Take bytes from the client's socket.

        Args:
            data: The bytes.
            now: The time, in seconds.

        Never raises: a client that breaks the protocol is closed with a code of §6. Call :meth:`events` and
        :meth:`data_to_send` next, and see whether :attr:`state` is closed.
        """
        if self.state is _CLOSED or self._incoming.is_pong(data):
            return
        try:
            for opcode, payload in self._incoming.take(data):
                full_at = self._rules.frames.spend(self._full_at, now)
                if full_at is None:
                    self.close(CloseCode.TOO_FAST, "too many frames a second")
                    break
                self._full_at = full_at
                if opcode == _TEXT:
                    self.receive_message(payload)
                elif opcode == _PING:
                    self._writes += (bytes((0x80 | Opcode.PONG, len(payload))) + payload,)
                elif opcode == _CLOSE:
                    self._goodbye(payload)
                if self.state is _CLOSED:
                    break
        except Fault as fault:
            self.close(fault.code, fault.reason)

    def receive_eof(self) -> None:
        """Take the end of the client's stream; what follows is as after :meth:`receive`."""
        if not self.closed:
            self.state = _CLOSED
            self._writes += (b"",)

    def events(self) -> tuple[Event, ...]:
        """What the client said since the last call."""
        events, self._events = self._events, ()
        return events

    def ping(self) -> None:
        """Make sure that the client is there; call :meth:`data_to_send` next."""
        if not self.closed:
            self._writes += (PING,)

    def close(self, code: CloseCode, reason: str = "") -> None:
        """End the connection with a code; call :meth:`data_to_send` next."""
        if not self.closed:
            self.code = code
            self._end(code.to_bytes(2, "big") + reason.encode()[:REASON_BYTES].decode(errors="ignore").encode())

    def data_to_send(self) -> tuple[bytes, ...]:
        """Bytes for the client's socket; an empty one asks for its end.

        Frames of stores and outcomes are not among them: they are ready bytes and go straight to the socket.
        """
        writes, self._writes = self._writes, ()
        return writes

    def _goodbye(self, payload: bytes) -> None:
        """RFC 6455 §5.5.1: answer a close frame with its code."""
        if payload:
            if int.from_bytes(payload[:2], "big") not in _CLIENT_CODES:
                raise Fault(CloseCode.PROTOCOL_ERROR, "no code to close with")
            try:
                payload[2:].decode()
            except UnicodeDecodeError:
                raise Fault(CloseCode.INVALID_UTF8, "a reason that is no UTF-8") from None
        self._end(payload[:2])

    def _say(self, frame: bytes) -> None:
        self._writes += (frame,)

    def _end(self, payload: bytes) -> None:
        self.state = _CLOSED
        self._writes += (bytes((0x80 | Opcode.CLOSE, len(payload))) + payload, b"")

    def receive_message(self, message: bytes) -> None:
        """Take one message, however it came; what follows is as after :meth:`receive`."""
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
        elif isinstance(frame, Refresh):
            self._refresh(frame.token)
        elif isinstance(frame, Ping):
            self._say(PONG)
        else:
            self._events += (frame,)

    def _let_in(self, hello: Hello, following: State) -> None:
        if PROTOCOL not in hello.protocols:
            self.close(CloseCode.NO_COMMON_VERSION, f"this front speaks version {PROTOCOL}")
            return
        token, self._token = self._token if hello.token is None else hello.token, None
        identity = self._identity = self._stranger() if token is None else self._identify(token)
        if identity is None:
            return
        if not self._rules.actors.has_room(identity.actor):
            self.close(CloseCode.TOO_MANY, "too many connections of this actor")
            return
        self.state = following
        self._say(build(Welcome(PROTOCOL, identity.actor, MAX_FRAME, HEARTBEAT_MS)))
        self._events += (Opened(identity, hello.client),)

    def _refresh(self, token: str) -> None:
        """§2: a fresh token prolongs the connection; one that says anything else needs a new one."""
        identity = self._identify(token)
        if identity is None or self._identity is None:
            return
        if identity.actor != self._identity.actor:
            self.close(CloseCode.TOKEN_REFUSED, "a token of another actor")
        elif not same_but_for_times(identity, self._identity):
            # What it may read was decided by the old claims.
            self.close(CloseCode.COME_AGAIN, "the claims are others than before")
        else:
            self._identity = identity
            self._events += (Refreshed(identity),)

    def _stranger(self) -> Identity | None:
        """Who has no token; closed if nobody may."""
        self.close(CloseCode.NO_TOKEN, "a token is needed")
        return None

    def _identify(self, token: str) -> Identity | None:
        """Who a token speaks for; closed if for nobody."""
        try:
            return self._verify(token)
        except KeyUnknown as exc:
            self.close(CloseCode.COME_AGAIN, str(exc))
        except TokenRefused as exc:
            self.close(CloseCode.TOKEN_REFUSED, str(exc))
        return None
