"""Messages to bytes and back: MessagePack, checked against the types of ``messages`` in the same pass.

Bytes from the bus are not trusted: another program may write to the same Redis, and an old version of this one may
have. Whatever they are, they become a value of ours or a :class:`BadMessage`.

Two versions may talk, as they do during an upgrade: fields are only ever added at the end of a message, with a
default, and whoever does not know one leaves it alone; a kind of message that somebody does not know he leaves out.
"""

from __future__ import annotations

import msgspec

from .errors import BadMessage
from .messages import Action, FrontMessage, Message, MultiplexerMessage, Open, Parcel


class Batch(msgspec.Struct, frozen=True, array_like=True):
    """Messages of the multiplexer that are one entry of a stream, and where among its writer's entries they stand."""

    writer: str
    """Who appended it, by a name that no other has or had."""
    order: int
    """Counts all that the writer appended to any stream."""
    number: int
    """Counts what the writer appended to this stream, from 1: who reads 3 after 1 has missed something."""
    messages: list[MultiplexerMessage]


class _AnyParcel(msgspec.Struct, frozen=True, array_like=True, tag="Parcel"):
    """A parcel of another version."""

    front: str
    messages: list[msgspec.Raw]


class _AnyBatch(msgspec.Struct, frozen=True, array_like=True):
    """A batch of another version."""

    writer: str
    order: int
    number: int
    messages: list[msgspec.Raw]


_encoder = msgspec.msgpack.Encoder()
_parcels = msgspec.msgpack.Decoder(Parcel)
_batches = msgspec.msgpack.Decoder(Batch)
_of_fronts = msgspec.msgpack.Decoder(FrontMessage)
_of_multiplexers = msgspec.msgpack.Decoder(MultiplexerMessage)
_KNOWN = frozenset(kind.__name__ for kind in Message.__subclasses__())

# What fits bigint and integer in Postgres; a larger one would fail the whole batch it is in.
MAX_NUMBER = 2**63 - 1
MAX_LANE = 2**31 - 1


def encode_parcel(parcel: Parcel) -> bytes:
    """Turn a parcel into bytes.

    Raises:
        BadMessage: It holds what the bus cannot carry: a lone surrogate, or an integer beyond 64 bits.

    """
    return _encode(parcel)


def encode_batch(batch: Batch) -> bytes:
    """Turn a batch into the bytes of one entry.

    Raises:
        BadMessage: One of them holds what the bus cannot carry.

    """
    return _encode(batch)


def decode_parcel(data: bytes) -> Parcel:
    """Turn bytes into a parcel whose actions cannot poison the batch they will be part of.

    Raises:
        BadMessage: The bytes are no parcel, or a message in it carries what Postgres cannot take as an argument.

    """
    try:
        try:
            parcel = _parcels.decode(data)
        except msgspec.ValidationError:
            some = msgspec.msgpack.decode(data, type=_AnyParcel)
            parcel = Parcel(some.front, [_of_fronts.decode(each) for each in some.messages if _is_known(each)])
    except (msgspec.MsgspecError, ValueError, RecursionError) as exc:
        raise BadMessage(f"no parcel: {exc}") from exc
    for message in parcel.messages:
        _check(message)
    return parcel


def decode_batch(data: bytes) -> Batch:
    """Turn the bytes of one entry into the batch of the multiplexer's messages that it holds.

    Raises:
        BadMessage: The bytes are no messages of the multiplexer.

    """
    try:
        try:
            return _batches.decode(data)
        except msgspec.ValidationError:
            some = msgspec.msgpack.decode(data, type=_AnyBatch)
            known = [_of_multiplexers.decode(each) for each in some.messages if _is_known(each)]
            return Batch(some.writer, some.order, some.number, known)
    except (msgspec.MsgspecError, ValueError, RecursionError) as exc:
        raise BadMessage(f"no messages: {exc}") from exc


def _is_known(message: msgspec.Raw) -> bool:
    """Whether this version has a message of that kind; what is no message at all will be found out."""
    fields = msgspec.msgpack.decode(message)
    kind = fields[0] if isinstance(fields, list) and fields else None
    return not isinstance(kind, str) or kind in _KNOWN


def _encode(message: Parcel | Batch) -> bytes:
    try:
        return _encoder.encode(message)
    except (ValueError, OverflowError) as exc:
        raise BadMessage(f"cannot be sent: {exc}") from exc


def _check(message: FrontMessage) -> None:
    """Refuse what would fail a batch of other clients' actions before ``flux.dispatch`` begins to look at it."""
    # Spelt out: it is done for every action, and a loop over the texts costs as much as decoding it.
    if isinstance(message, Action):
        if not (0 <= message.number <= MAX_NUMBER and 0 <= message.lane <= MAX_LANE):
            raise BadMessage("an action's lane or number is out of range")
        has_nul = "\0" in message.client
    elif not isinstance(message, Open):
        return
    else:
        has_nul = False
    # Postgres has no NUL in text.
    if has_nul or "\0" in message.actor or "\0" in message.claims or "\0" in message.name or "\0" in message.params:
        raise BadMessage("a text holds a NUL character")
