"""The cases of the Autobahn suite that a server of text messages can meet, and websockets' own core as the judge."""

import random
from collections.abc import Iterable

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from websockets.extensions.permessage_deflate import PerMessageDeflate
from websockets.frames import Frame
from websockets.frames import Opcode as Judged
from websockets.protocol import State
from websockets.server import ServerProtocol

from front.codes import CloseCode
from front.incoming import Fault, Incoming, Opcode

MOST = 1_000
MASK = b"\x01\x02\x03\x04"


def frame(first: int, payload: bytes = b"", *, masked: bool = True, length: bytes | None = None) -> bytes:
    """Any frame, also such as no library would write."""
    if length is None:
        size = len(payload)
        length = bytes([size]) if size < 126 else b"\x7e" + size.to_bytes(2, "big")
    head = bytes([first, length[0] | (0x80 if masked else 0)]) + length[1:]
    if not masked:
        return head + payload
    return head + MASK + bytes(byte ^ MASK[i % 4] for i, byte in enumerate(payload))


def heard(data: Iterable[bytes], *, compressed: bool = False) -> tuple[list[tuple[int, bytes]], int | None]:
    """What comes whole, and the code of the fault that ends it."""
    incoming = Incoming(most=MOST, compressed=compressed)
    whole: list[tuple[int, bytes]] = []
    try:
        for piece in data:
            whole += incoming.take(piece)
    except Fault as fault:
        return whole, fault.code
    return whole, None


TEXT, PING, PONG, CLOSE = Opcode.TEXT, Opcode.PING, Opcode.PONG, Opcode.CLOSE


@pytest.mark.parametrize(
    ("data", "whole", "code"),
    [
        pytest.param(frame(0x81), [(TEXT, b"")], None, id="1.1.1 empty text"),
        pytest.param(frame(0x81, b"x" * 125), [(TEXT, b"x" * 125)], None, id="1.1.2 a length of 125"),
        pytest.param(frame(0x81, b"x" * 126), [(TEXT, b"x" * 126)], None, id="1.1.3 a length of 126"),
        pytest.param(frame(0x81, b"x" * 128), [(TEXT, b"x" * 128)], None, id="1.1.5 a length of 128"),
        pytest.param(frame(0x81, b"x" * 1_001), [], 4002, id="1.1.8 longer than may be"),
        pytest.param(frame(0x82, b""), [], 4001, id="1.2 binary"),
        pytest.param(frame(0x89), [(PING, b"")], None, id="2.1 ping"),
        pytest.param(frame(0x89, b"\xfe\xff" * 62), [(PING, b"\xfe\xff" * 62)], None, id="2.3 ping of bytes"),
        pytest.param(frame(0x89, b"x" * 126), [], 1002, id="2.5 ping too long"),
        pytest.param(frame(0x8A, b"y"), [(PONG, b"y")], None, id="2.7 unasked pong"),
        pytest.param(frame(0x89, b"1") * 10, [(PING, b"1")] * 10, None, id="2.10 ten pings"),
        pytest.param(frame(0x81, b"a") + frame(0x91, b"b"), [(TEXT, b"a")], 1002, id="3.2 RSV3"),
        pytest.param(frame(0xA1, b"b"), [], 1002, id="3.3 RSV2"),
        pytest.param(frame(0xC1, b"b"), [], 1002, id="3.4 RSV1, nothing agreed on"),
        pytest.param(frame(0xF9), [], 1002, id="3.6 all bits on a ping"),
        *(pytest.param(frame(0x80 | code), [], 1002, id=f"4.1 opcode {code}") for code in (3, 4, 5, 6, 7)),
        *(pytest.param(frame(0x80 | code), [], 1002, id=f"4.2 opcode {code}") for code in (11, 12, 13, 14, 15)),
        pytest.param(frame(0x09, b"x") + frame(0x80), [], 1002, id="5.1 ping in fragments"),
        pytest.param(frame(0x0A, b"x") + frame(0x80), [], 1002, id="5.2 pong in fragments"),
        pytest.param(frame(0x01, b"a") + frame(0x80, b"b"), [(TEXT, b"ab")], None, id="5.3 two fragments"),
        pytest.param(
            frame(0x01, b"a") + frame(0x89, b"p") + frame(0x80, b"b"),
            [(PING, b"p"), (TEXT, b"ab")],
            None,
            id="5.6 ping between fragments",
        ),
        pytest.param(frame(0x80, b"a"), [], 1002, id="5.9 continuation of nothing"),
        pytest.param(frame(0x00, b"a"), [], 1002, id="5.10 the same, unfinished"),
        pytest.param(frame(0x01, b"a") + frame(0x81, b"b"), [], 1002, id="5.18 message within a message"),
        pytest.param(frame(0x01) + frame(0x00) + frame(0x80), [(TEXT, b"")], None, id="6.1 three empty fragments"),
        pytest.param(frame(0x88), [(CLOSE, b"")], None, id="7.3.1 empty close"),
        pytest.param(frame(0x88, b"\x03\xe8" + b"x" * 124), [], 1002, id="7.3.6 close too long"),
        pytest.param(frame(0x01, b"x" * 600) + frame(0x00, b"x" * 600), [], 4002, id="9.3 too long in fragments"),
        pytest.param(frame(0x81, b"x", masked=False), [], 1002, id="not masked"),
        pytest.param(frame(0x81, length=b"\x7f" + b"\xff" * 8), [], 4002, id="a length beyond all measure"),
    ],
)
def test_case(data: bytes, whole: list[tuple[int, bytes]], code: int | None) -> None:
    """A case, in one segment and byte by byte."""
    assert heard([data]) == (whole, code)
    assert heard(bytes([byte]) for byte in data) == (whole, code)


def test_an_empty_pong_is_known_at_a_glance() -> None:
    """The same bytes within another frame are that frame's."""
    pong, incoming = frame(0x8A), Incoming(most=MOST, compressed=False)
    assert incoming.is_pong(pong)
    assert not incoming.is_pong(frame(0x8A, b"x"))
    assert not incoming.is_pong(pong[:-1])
    text = frame(0x81, pong)
    assert list(incoming.take(text[: -len(pong)])) == []
    assert not incoming.is_pong(text[-len(pong) :])


def deflated(text: bytes) -> bytes:
    return bytes(PerMessageDeflate(True, True, 15, 15).encode(Frame(Judged.TEXT, text)).data)


@pytest.mark.parametrize(
    ("data", "whole", "code"),
    [
        pytest.param(frame(0xC1, deflated(b"hello")), [(TEXT, b"hello")], None, id="12.1 one frame"),
        pytest.param(
            frame(0x41, deflated(b"hello")[:3]) + frame(0x80, deflated(b"hello")[3:]),
            [(TEXT, b"hello")],
            None,
            id="12.2 in fragments",
        ),
        pytest.param(frame(0x81, b"plain"), [(TEXT, b"plain")], None, id="not compressed after all"),
        pytest.param(frame(0xC1, deflated(b"x" * 1_001)), [], 4002, id="a bomb"),
        pytest.param(frame(0xC1, b"\xff\xff\xff"), [], 1002, id="rubbish"),
        pytest.param(frame(0x41, b"") + frame(0xC0, b""), [], 1002, id="RSV1 on a continuation"),
        pytest.param(frame(0xC9, b""), [], 1002, id="RSV1 on a ping"),
    ],
)
def test_compressed_case(data: bytes, whole: list[tuple[int, bytes]], code: int | None) -> None:
    """Autobahn's chapters 12 and 13, as far as we agree to them: without context."""
    assert heard([data], compressed=True) == (whole, code)


def test_a_hundred_thousand_empty_fragments() -> None:
    """They are no messages, and they occupy nothing."""
    incoming = Incoming(most=MOST, compressed=False)
    assert list(incoming.take(frame(0x01))) == []
    for _ in range(100):
        assert list(incoming.take(frame(0x00) * 1_000)) == []
    assert (incoming._rest, incoming._message) == (b"", bytearray())
    assert list(incoming.take(frame(0x80, b"x"))) == [(TEXT, b"x")]


def test_what_is_kept_is_bounded() -> None:
    """However many fragments come, and however they are cut: a message's longest and a frame's head, no more."""
    incoming = Incoming(most=MOST, compressed=False)
    list(incoming.take(frame(0x01, b"x")))
    for _ in range(MOST - 1):
        list(incoming.take(frame(0x00, b"x")))
    with pytest.raises(Fault, match="at most"):
        list(incoming.take(frame(0x00, b"x")))
    assert len(incoming._message or b"") + len(incoming._rest) <= MOST


pieces = st.builds(
    frame,
    st.sampled_from([0x01, 0x81, 0x00, 0x80, 0x89, 0x8A, 0x88, 0x09, 0x83, 0xC1, 0xB1]) | st.integers(0, 255),
    st.binary(max_size=130),
    masked=st.sampled_from([True, True, True, False]),
)


@given(st.lists(pieces, max_size=8).map(b"".join) | st.binary(max_size=60), st.randoms(use_true_random=False))
@example(frame(0x01, b"a") + frame(0x82), random.Random(0))
def test_we_hear_what_websockets_hears(data: bytes, cuts: random.Random) -> None:
    """Any bytes, whole or cut: the same messages and the same verdict as of another implementation."""
    judge = ServerProtocol(max_size=MOST, state=State.OPEN)
    judge.receive_data(data)
    judged: list[tuple[int, bytes]] = []
    fragments = b""
    binary = False
    for event in judge.events_received():
        assert isinstance(event, Frame)
        binary = binary or event.opcode is Judged.BINARY
        if event.opcode in {Judged.TEXT, Judged.CONT}:
            fragments += event.data
            if event.fin:
                judged.append((Opcode.TEXT, fragments))
                fragments = b""
        else:
            judged.append((int(event.opcode), bytes(event.data)))
    whole, code = heard([data])
    # A binary message is where we end and the judge does not; a close is where the judge ends, and not we.
    if binary or code == CloseCode.BAD_FRAME:
        return
    closes = [index for index, (opcode, _) in enumerate(whole) if opcode == Opcode.CLOSE]
    if closes:
        whole, code = whole[: closes[0]], None
        judged = [each for each in judged if each[0] != Opcode.CLOSE]
        assert whole == judged
        return
    assert whole == judged
    # We may refuse a frame before it has come whole; the judge waits for the rest.
    assert code is not None or judge.parser_exc is None
    rest = data
    in_pieces = []
    while rest:
        size = cuts.randint(1, len(rest))
        in_pieces.append(rest[:size])
        rest = rest[size:]
    assert heard(in_pieces) == (whole, code)
