"""Messages survive the road, and nothing else does."""

import json
from contextlib import suppress
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker import codec
from broker.codec import Batch
from broker.errors import BadMessage
from broker.messages import (
    Action,
    Commit,
    Denied,
    Drain,
    Error,
    Fetch,
    Gone,
    Held,
    Kick,
    Lead,
    Message,
    MultiplexerMessage,
    Open,
    Opened,
    Outcome,
    Parcel,
    Renew,
    Renewed,
    Snapshot,
    Update,
)

# What a front may send on: no NUL, which Postgres cannot store, and no lone surrogate, which is no text.
text = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)
number = st.integers(0, 2**63 - 1)
action = st.builds(
    Action,
    connection=number,
    actor=text,
    claims=text,
    client=text,
    lane=st.integers(0, 2**31 - 1),
    number=number,
    name=text,
    params=text,
)
held = st.builds(Held, key=text, epoch=text, version=number)
front_message = st.one_of(
    action,
    st.builds(Open, request=number, name=text, params=text, actor=text, claims=text),
    st.builds(Fetch, key=text),
    st.builds(Renew, held=st.lists(held)),
)
parcels = st.builds(Parcel, front=text, messages=st.lists(front_message))
error = st.builds(Error, code=text, message=text, constraint=st.none() | text)
update = st.builds(Update, key=text, epoch=text, from_version=number, to_version=number, frame=st.binary())
multiplexer_message: st.SearchStrategy[MultiplexerMessage] = st.one_of(
    st.builds(
        Outcome,
        connection=number,
        lane=number,
        number=number,
        status=text,
        reply=st.none() | text,
        error=st.none() | error,
        stores=st.dictionaries(text, number),
    ),
    st.builds(Opened, request=number, key=text, shared=st.booleans(), ttl_ms=number),
    st.builds(Denied, request=number, error=error),
    st.builds(Snapshot, key=text, epoch=text, version=number, frame=st.binary()),
    st.builds(Gone, key=text, error=error),
    st.builds(Commit, updates=st.lists(update)),
    st.builds(Lead, term=number),
    st.builds(Renewed, term=number, newer=st.lists(held)),
    st.builds(Kick, actor=text, reason=text),
    st.builds(Drain, share=st.floats(0.0, 1.0)),
)
batches = st.builds(Batch, writer=text, order=number, number=number, messages=st.lists(multiplexer_message))


@given(parcels)
def test_parcel(parcel: Parcel) -> None:
    """A parcel arrives as it was sent."""
    assert codec.decode_parcel(codec.encode_parcel(parcel)) == parcel


@given(batches)
def test_batch(batch: Batch) -> None:
    """Messages of the multiplexer arrive as they were sent."""
    assert codec.decode_batch(codec.encode_batch(batch)) == batch


# Bytes near to real ones reach further into the decoder than random ones.
plain = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats() | text | st.binary(),
    lambda inner: st.lists(inner) | st.dictionaries(text, inner),
)
near = st.tuples(st.sampled_from(["Parcel", "Action", "Open", "Renew", "Outcome", "Commit", "Lead"]), plain, plain).map(
    msgspec.msgpack.encode
)


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """Real bytes with one of them changed, or cut off."""
    data = draw(parcels.map(codec.encode_parcel) | batches.map(codec.encode_batch))
    place = draw(st.integers(0, len(data) - 1))
    if draw(st.booleans()):
        return data[:place]
    return data[:place] + bytes([draw(st.integers(0, 255))]) + data[place + 1 :]


@given(st.binary() | near | plain.map(msgspec.msgpack.encode) | damaged())
def test_any_bytes(data: bytes) -> None:
    """Any bytes are a value or BadMessage."""
    for decode in (codec.decode_parcel, codec.decode_batch):
        with suppress(BadMessage):
            decode(data)


@pytest.mark.parametrize(
    "data",
    [
        b"\x91" * 100_000,
        b"\x81" * 100_000,
        b"\x93\xa6Parcel\xa1f\xdd\xff\xff\xff\xff",
        b"\xdd\xff\xff\xff\xff",
        b"\x94\xa6Parcel\xa1f\x90" + b"\x91" * 100_000,
        b"\x93\xa6Parcel\xa1f\xc0",
    ],
)
def test_hostile_bytes(data: bytes) -> None:
    """Depth without end and lengths that lie are BadMessage as well."""
    with pytest.raises(BadMessage):
        codec.decode_parcel(data)
    with pytest.raises(BadMessage):
        codec.decode_batch(data)


GOOD = Action(1, "ada", "{}", "c", 0, 1, "post_message", "{}")
OPEN = Open(1, "room", "{}", "ada", "{}")


@pytest.mark.parametrize(
    "message",
    [
        *(msgspec.structs.replace(GOOD, **{name: "a\0b"}) for name in ("actor", "claims", "client", "name", "params")),
        *(msgspec.structs.replace(OPEN, **{name: "a\0b"}) for name in ("actor", "claims", "name", "params")),
        msgspec.structs.replace(GOOD, number=2**63),
        msgspec.structs.replace(GOOD, number=-1),
        msgspec.structs.replace(GOOD, lane=2**31),
    ],
)
def test_poison(message: Action | Open) -> None:
    """What would fail the batch of others is refused."""
    with pytest.raises(BadMessage):
        codec.decode_parcel(codec.encode_parcel(Parcel("f", [GOOD, message])))


def test_bool_is_no_number() -> None:
    """True is not taken for 1, as Python would have it."""
    with pytest.raises(BadMessage):
        codec.decode_batch(msgspec.msgpack.encode(["m", 1, 1, [["Lead", True]]]))


@pytest.mark.parametrize("value", ["\ud800", "a\udfffb"])
def test_lone_surrogate(value: str) -> None:
    """What is no text cannot be sent."""
    with pytest.raises(BadMessage):
        codec.encode_parcel(Parcel("f", [Fetch(value)]))


def test_huge_number() -> None:
    """An integer beyond 64 bits cannot be sent."""
    with pytest.raises(BadMessage):
        codec.encode_batch(Batch("m", 1, 1, [Lead(2**70)]))


class _Later(msgspec.Struct, frozen=True, array_like=True, tag="Later"):
    """A kind of message that only a later version has."""

    text: str


def as_later(message: object) -> object:
    """What a later version, which knows a field more, would have written."""
    plain = msgspec.msgpack.decode(msgspec.msgpack.encode(message))
    assert isinstance(plain, list)
    return [*plain, "later"]


@given(parcels)
def test_a_parcel_of_a_later_version(parcel: Parcel) -> None:
    """Fields at the end of messages, and kinds of messages, that this version does not know are left alone."""
    messages = [as_later(message) for message in parcel.messages]
    later = msgspec.msgpack.encode(["Parcel", parcel.front, [*messages, _Later("x")], "later"])
    assert codec.decode_parcel(later) == parcel


@given(st.lists(multiplexer_message))
def test_a_batch_of_a_later_version(messages: list[MultiplexerMessage]) -> None:
    """The same the other way."""
    later = msgspec.msgpack.encode(["w", 1, 2, [_Later("x"), *map(as_later, messages)], "later"])
    assert codec.decode_batch(later) == Batch("w", 1, 2, messages)


def test_messages_only_grow() -> None:
    """Fields of the last release keep their places, and what came since is at the end, with a default."""
    golden = json.loads((Path(__file__).parent.parent / "protocol" / "bus.json").read_text(encoding="utf-8"))
    kinds = {kind.__name__: msgspec.structs.fields(kind) for kind in Message.__subclasses__()}
    assert set(golden) <= set(kinds)
    for name, released in golden.items():
        assert [field.name for field in kinds[name]][: len(released)] == released, name
        assert not any(field.required for field in kinds[name][len(released) :]), name


@pytest.mark.parametrize("bad", [["Lead", "no number"], ["Lead"], [], {"Lead": 1}, 7, [7]])
def test_a_bad_message_of_a_known_kind(bad: object) -> None:
    """What is known and wrong is not left out in silence."""
    with pytest.raises(BadMessage):
        codec.decode_batch(msgspec.msgpack.encode(["w", 1, 2, [bad, _Later("x")]]))
