"""The frames of docs/protocol.md as values: up frames parsed, down frames built.

Whatever a client writes as ``params`` stays the text it wrote: Postgres alone parses it. Whatever many clients
will read is turned into bytes for the wire once, by :func:`websocket_frame`.
"""

import re
from typing import Annotated, Literal, TypeVar

import msgspec
from msgspec import UNSET, Meta, Raw, UnsetType

from broker.messages import Error
from broker.messages import Outcome as OutcomeMessage

PROTOCOL = 1
"""The one protocol version that fronts speak so far (§2)."""

MAX_FRAME = 65_536
"""Longest frame accepted from a client, in bytes (§1)."""

SAFE_INTEGER = 2**53 - 1  # what JavaScript holds exactly; the database's bigint holds it as well

Count = Annotated[int, Meta(ge=0, le=SAFE_INTEGER)]
Ordinal = Annotated[int, Meta(ge=1, le=SAFE_INTEGER)]
Lane = Annotated[int, Meta(ge=0, le=32_767)]

NO_PARAMS = Raw(b"{}")


class BadFrame(Exception):
    """A message that is no frame of this protocol; its text is for the client's developer."""


# Up: from client to front.


class Up(msgspec.Struct, frozen=True, tag_field="type", gc=False):
    """Base of all frames from clients."""


class Hello(Up, frozen=True, tag="hello"):
    """The first frame of a client (§2)."""

    protocols: list[int]
    client: Annotated[str, Meta(min_length=1, max_length=64)]
    token: str | None = None

    def __post_init__(self) -> None:
        _refuse_nul(self.client, "client")


class Refresh(Up, frozen=True, tag="refresh"):
    """A fresh token of the same actor (§2)."""

    token: str


class StoreRequest(msgspec.Struct, frozen=True, gc=False):
    """One store of a ``subscribe`` frame (§3)."""

    id: Ordinal
    name: str
    params: Raw = NO_PARAMS
    epoch: str | None = None
    version: Count | None = None

    def __post_init__(self) -> None:
        _refuse_nul(self.name, "name")
        _require_object(self.params)
        if (self.epoch is None) != (self.version is None):
            raise ValueError("epoch and version are given together")

    @property
    def position(self) -> tuple[str, int] | None:
        """Epoch and version of the document that the client still holds, if it does."""
        if self.epoch is None or self.version is None:
            return None
        return self.epoch, self.version


class Subscribe(Up, frozen=True, tag="subscribe"):
    """A client wants stores (§3)."""

    stores: Annotated[list[StoreRequest], Meta(max_length=1_000)]


class Unsubscribe(Up, frozen=True, tag="unsubscribe"):
    """A client lets go of stores (§3)."""

    ids: list[int]


class Dispatch(Up, frozen=True, tag="dispatch"):
    """An action (§4)."""

    number: Ordinal
    name: str
    params: Raw = NO_PARAMS
    lane: Lane = 0
    traceparent: str = ""

    def __post_init__(self) -> None:
        _refuse_nul(self.name, "name")
        _require_object(self.params)


class Ping(Up, frozen=True, tag="ping"):
    """A client that cannot send WebSocket pings asks whether we are there (§2)."""


UpFrame = Hello | Refresh | Subscribe | Unsubscribe | Dispatch | Ping

T = TypeVar("T")

_decoder: msgspec.json.Decoder[UpFrame] = msgspec.json.Decoder(UpFrame)
_list_decoder: msgspec.json.Decoder[list[Raw]] = msgspec.json.Decoder(list[Raw])
_raw_decoder: msgspec.json.Decoder[Raw] = msgspec.json.Decoder(Raw)

# Every escape sequence of JSON, from left to right; group 1 is a half of a surrogate pair without its other half.
_ESCAPE = re.compile(rb"\\(?:u[dD][89abAB]..\\u[dD][c-fC-F]..|(u[dD][89a-fA-F]..)|.)", re.DOTALL)


def parse(data: bytes) -> UpFrame:
    """Read one text message of a client.

    Args:
        data: The message, valid UTF-8 of at most :data:`MAX_FRAME` bytes.

    Raises:
        BadFrame: It is no frame from a client (§1).

    """
    return _read(_decoder, data)


def params_of(data: bytes) -> Raw:
    """Read the parameters of an action that came without their frame.

    Args:
        data: JSON, valid UTF-8; nothing at all stands for none.

    Raises:
        BadFrame: It is no JSON object.

    """
    params = _read(_raw_decoder, data) if data else NO_PARAMS
    try:
        _require_object(params)
    except ValueError as exc:
        raise BadFrame(str(exc)) from None
    return params


def messages(body: bytes) -> list[bytes]:
    """The frames of a request's body: a JSON list of what would each be a message on a WebSocket.

    Raises:
        BadFrame: It is no list.

    """
    texts = [bytes(text) for text in _read(_list_decoder, body)]
    if any(len(text) > MAX_FRAME for text in texts):
        raise BadFrame(f"a frame has at most {MAX_FRAME} bytes")
    return texts


def _read(decoder: msgspec.json.Decoder[T], data: bytes) -> T:
    if 0 in data:
        raise BadFrame("a raw NUL")
    try:
        try:
            return decoder.decode(data)
        except msgspec.ValidationError:
            raise
        except msgspec.DecodeError:
            # JSON.stringify writes half of a cut emoji as the escape of a lone surrogate. Our decoder refuses it, and
            # so does Postgres, but there it costs the sender a coded error only. "\u0000" stands in for it: Postgres
            # refuses it alike.
            mended = _ESCAPE.sub(_stand_in, data)
            if mended == data:
                raise
            return decoder.decode(mended)
    except msgspec.MsgspecError as exc:
        raise BadFrame(str(exc)) from None
    except RecursionError:
        raise BadFrame("nested too deeply") from None


def _stand_in(escape: re.Match[bytes]) -> bytes:
    return b"\\u0000" if escape[1] else escape[0]


def _refuse_nul(text: str, what: str) -> None:
    if "\0" in text:
        raise ValueError(f"NUL in {what}")


def _require_object(params: Raw) -> None:
    if not bytes(params).startswith(b"{"):
        raise ValueError("params is no object")


# Down: from front to client.


class Down(msgspec.Struct, frozen=True, tag_field="type", gc=False):
    """Base of all frames that a front writes; a ``snapshot``, and an ``update`` unless it is merged, comes ready."""


class Fault(msgspec.Struct, frozen=True, gc=False):
    """A coded error as it stands in frames (§6)."""

    code: str
    message: str
    constraint: str | UnsetType = UNSET
    column: str | UnsetType = UNSET


class Welcome(Down, frozen=True, tag="welcome"):
    """The answer to ``hello`` (§2)."""

    protocol: int
    actor: str
    max_frame: int
    heartbeat_ms: int


class Pong(Down, frozen=True, tag="pong"):
    """The answer to ``ping`` (§2)."""


class Subscribed(Down, frozen=True, tag="subscribed"):
    """From here on the next commit reaches the client (§3)."""

    id: int
    store: str
    epoch: str
    version: int
    resumed: bool


class Unsubscribed(Down, frozen=True, tag="unsubscribed"):
    """A subscription cannot be, or cannot go on (§3)."""

    id: int
    error: Fault


class Outcome(Down, frozen=True, tag="outcome"):
    """What became of an action (§4)."""

    lane: int
    number: int
    status: str
    stores: dict[str, int]
    reply: Raw | UnsetType = UNSET
    error: Fault | UnsetType = UNSET


class Commit(Down, frozen=True, tag="commit"):
    """So many ``update`` frames that follow belong together (§5)."""

    updates: int


class Operation(msgspec.Struct, frozen=True, gc=False):
    """One operation of a patch (§3)."""

    op: Literal["add", "remove", "replace"]
    path: str
    value: Raw | UnsetType = UNSET


class Update(Down, frozen=True, tag="update", rename={"from_version": "from", "to_version": "to"}):
    """A patch on its way (§3)."""

    store: str
    epoch: str
    from_version: int
    to_version: int
    patch: list[Operation]


DownFrame = Welcome | Pong | Subscribed | Unsubscribed | Outcome | Commit | Update

_encoder = msgspec.json.Encoder()


def build(frame: DownFrame) -> bytes:
    """The bytes that put a frame on the wire."""
    return websocket_frame(_encoder.encode(frame))


def unsubscribed(subscription: int, error: Error) -> Unsubscribed:
    """The frame that ends a subscription with an error (§3)."""
    return Unsubscribed(id=subscription, error=_fault(error))


def outcome(message: OutcomeMessage, stores: dict[str, int]) -> Outcome:
    """The frame of an outcome (§4).

    Args:
        message: The outcome as the multiplexer sent it.
        stores: What its client holds of the stores it names, with the version each has reached.

    """
    return Outcome(
        lane=message.lane,
        number=message.number,
        status=message.status,
        stores=stores,
        reply=Raw((message.reply or "null").encode()) if message.status == "ok" else UNSET,
        error=_fault(message.error) if message.error is not None else UNSET,
    )


def _fault(error: Error) -> Fault:
    return Fault(
        error.code,
        error.message,
        UNSET if error.constraint is None else error.constraint,
        UNSET if error.column is None else error.column,
    )


def websocket_frame(payload: bytes) -> bytes:
    """Put a text payload into one unmasked WebSocket frame (RFC 6455 §5.2); the same bytes serve every client."""
    length = len(payload)
    if length < 126:  # noqa: PLR2004 - the three forms of a length in RFC 6455 §5.2
        return bytes((0x81, length)) + payload
    if length < 65_536:  # noqa: PLR2004
        return b"\x81\x7e" + length.to_bytes(2, "big") + payload
    return b"\x81\x7f" + length.to_bytes(8, "big") + payload


def spans(frames: bytes) -> list[tuple[int, int, int]]:
    """Where each of our own frames, its payload and its end are in ready frames that were joined."""
    found: list[tuple[int, int, int]] = []
    begin = 0
    while begin < len(frames):
        length, payload = frames[begin + 1], begin + 2
        if length == 126:  # noqa: PLR2004 - the forms of a length in RFC 6455 §5.2
            payload += 2
            length = int.from_bytes(frames[payload - 2 : payload], "big")
        elif length == 127:  # noqa: PLR2004
            payload += 8
            length = int.from_bytes(frames[payload - 8 : payload], "big")
        found.append((begin, payload, payload + length))
        begin = payload + length
    return found


def payloads(frames: bytes) -> list[bytes]:
    """The JSON texts in ready frames that were joined."""
    return [frames[payload:end] for _, payload, end in spans(frames)]
