import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.extensions.permessage_deflate import PerMessageDeflate
from websockets.frames import Frame, Opcode

from front import deflate
from front.deflate import WORTHWHILE, Deflater, TooLarge, inflate
from front.frames import websocket_frame

LONG = b'{"x":"' + b"abc" * 400 + b'"}'


def unpacked(data: bytes, window: int) -> list[bytes]:
    """What a client that agreed on a window makes of our frames; it keeps no context, as we said."""
    texts = []
    while data:
        length, begin = data[1], 2
        if length == 126:
            length, begin = int.from_bytes(data[2:4], "big"), 4
        elif length == 127:
            length, begin = int.from_bytes(data[2:10], "big"), 10
        frame = Frame(Opcode.TEXT, data[begin : begin + length], rsv1=bool(data[0] & 0x40))
        extension = PerMessageDeflate(True, True, window, 15)
        texts.append(bytes(extension.decode(frame, max_size=2**24).data))
        data = data[begin + length :]
    return texts


@pytest.mark.parametrize("window", range(9, 16))
def test_what_we_compress_clients_can_read(window: int) -> None:
    """RFC 7692: by another implementation, with a window no larger than agreed; several frames stay several."""
    texts = [LONG, b"short", b"", LONG * 100, b"x" * 300]
    frames = b"".join(websocket_frame(text) for text in texts)
    compressed = Deflater().frames(frames, window)
    assert unpacked(compressed, window) == texts
    assert len(compressed) < len(frames) / 10


def test_short_frames_go_as_they_are() -> None:
    """Below a size compressing costs more than it saves."""
    frame = websocket_frame(b"x" * (WORTHWHILE - 4))
    assert Deflater().frames(frame, 15) is frame


def test_bytes_are_made_once() -> None:
    """Promise 6: everybody with the same window gets the same object."""
    deflater = Deflater()
    frame = websocket_frame(LONG)
    assert deflater.frames(frame, 15) is deflater.frames(frame, 15)
    assert unpacked(deflater.frames(frame, 9), 9) == [LONG]


def test_what_is_kept_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """The oldest goes first, and the bound holds."""
    monkeypatch.setattr(deflate, "MEMORY", 5_000)
    deflater = Deflater()
    for number in range(100):
        deflater.frames(websocket_frame(LONG + b"%d" % number), 15)
    kept = sum(len(frame) + len(made) for (_, frame), made in deflater._made.items())
    assert kept == deflater._bytes <= 5_000
    assert deflater._made


def compressed(text: bytes) -> bytes:
    frame = PerMessageDeflate(True, True, 15, 15).encode(Frame(Opcode.TEXT, text))
    return bytes(frame.data)


@given(st.binary(max_size=2_000))
def test_what_others_compress_we_can_read(text: bytes) -> None:
    """RFC 7692: from another implementation."""
    assert inflate(compressed(text), 2_000) == text


def test_a_bomb_does_not_go_off() -> None:
    """Ten megabytes in ten kilobytes: no more is inflated than may be."""
    with pytest.raises(TooLarge):
        inflate(compressed(b"\0" * 10_000_000), 65_536)


def test_what_is_no_deflated_message() -> None:
    """Rubbish is refused."""
    with pytest.raises(zlib.error):
        inflate(b"\xff\xff\xff", 100)
