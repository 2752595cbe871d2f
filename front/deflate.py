"""permessage-deflate without context (RFC 7692): a frame is compressed once for all who take it.

Whoever kept a context per connection would pay for it with hundreds of kilobytes each, and compress each frame once per
connection.
"""

import zlib

from .events import EVENTS, events
from .frames import spans, websocket_frame

WORTHWHILE = 256
"""Payloads shorter than so many bytes go as they are."""

SMALLEST_WINDOW = 9  # zlib's raw deflate makes no smaller one, so we agree to none
LARGEST_WINDOW = 15

MEMORY = 8 * 1024 * 1024
"""Bytes of compressed frames kept for those who still come for them."""

_COMPRESSED = 0x40  # RSV1 of a frame's first byte
_TAIL = b"\x00\x00\xff\xff"  # of every message; not sent (RFC 7692 §7.2.1)


class TooLarge(Exception):
    """A message inflates to more than it may."""


def inflate(data: bytes, most: int) -> bytes:
    """Inflate a message of at most so many bytes; no more than that is ever held.

    Raises:
        TooLarge: It would be longer.
        zlib.error: It is no deflated message.

    """
    inflater = zlib.decompressobj(-LARGEST_WINDOW)
    message = inflater.decompress(data + _TAIL, most + 1)
    if len(message) > most:
        raise TooLarge
    return message


class Deflater:
    """Compresses ready frames, each once for every window size in use."""

    __slots__ = ("_bytes", "_made")

    def __init__(self) -> None:
        self._made: dict[tuple[int, bytes], bytes] = {}  # oldest first
        self._bytes = 0

    def frames(self, frames: bytes, window: int) -> bytes:
        """Compress frames for clients with a window size.

        Args:
            frames: One or more ready frames of text, joined.
            window: The base-2 logarithm of the window's size; :data:`EVENTS` for events instead.

        """
        if window == EVENTS:
            return events(frames) if len(frames) < WORTHWHILE else self._kept(frames, window)
        return frames if len(frames) < WORTHWHILE else self._kept(frames, window)

    def _kept(self, frames: bytes, window: int) -> bytes:
        made = self._made.get((window, frames))
        if made is None:
            made = events(frames) if window == EVENTS else _deflated(frames, window)
            self._made[window, frames] = made
            self._bytes += len(frames) + len(made)
            while self._bytes > MEMORY:
                oldest = next(iter(self._made))
                self._bytes -= len(oldest[1]) + len(self._made.pop(oldest))
        return made


def _deflated(frames: bytes, window: int) -> bytes:
    return b"".join(
        frames[begin:end] if end - payload < WORTHWHILE else _compressed(frames[payload:end], window)
        for begin, payload, end in spans(frames)
    )


def _compressed(payload: bytes, window: int) -> bytes:
    deflater = zlib.compressobj(wbits=-window)
    data = deflater.compress(payload) + deflater.flush(zlib.Z_SYNC_FLUSH)
    frame = websocket_frame(data.removesuffix(_TAIL))
    return bytes((frame[0] | _COMPRESSED,)) + frame[1:]
