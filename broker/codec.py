"""Messages to bytes and back: MessagePack, checked against the types of ``messages`` in the same pass.

Bytes from the bus are not trusted: another program may write to the same Redis, and an old version of this one may
have. Whatever they are, they become a value of ours or a :class:`BadMessage`.
"""

from __future__ import annotations

import msgspec

from .errors import BadMessage
from .messages import Action, FrontMessage, MultiplexerMessage, Open, Parcel


class Batch(msgspec.Struct, frozen=True, array_like=True):
    """Messages of the multiplexer that are one entry of a stream, and where among its writer's entries they stand."""

    writer: str
    """Who appended it, by a name that no other has or had."""
    order: int
    """Counts all that the writer appended to any stream."""
    number: int
    """Counts what the writer appended to this stream, from 1: who reads 3 after 1 has missed something."""
    messages: list[MultiplexerMessage]


_encoder = msgspec.msgpack.Encoder()
_parcels = msgspec.msgpack.Decoder(Parcel)
_batches = msgspec.msgpack.Decoder(Batch)

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
        parcel = _parcels.decode(data)
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
        return _batches.decode(data)
    except (msgspec.MsgspecError, ValueError, RecursionError) as exc:
        raise BadMessage(f"no messages: {exc}") from exc


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
