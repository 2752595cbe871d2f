"""What a client sends after the handshake: bytes in, whole messages and control frames out (RFC 6455 §5).

A connection keeps nothing but what has not come whole yet, and that is never more than one frame and one message.
"""

import zlib
from collections.abc import Iterator
from enum import IntEnum

from websockets.speedups import apply_mask

from .codes import CloseCode
from .deflate import TooLarge, inflate

_FIN, _COMPRESSED, _RESERVED, _CONTROL = 0x80, 0x40, 0x30, 0x08
_MASKED = 0x80
_LONGEST_CONTROL = 125
_LENGTH_16, _LENGTH_64 = 126, 127


_EMPTY = 6  # bytes of a masked frame without payload
_PONG = b"\x8a\x80"


class Opcode(IntEnum):
    """What a frame is."""

    CONTINUATION = 0x0
    TEXT = 0x1
    BINARY = 0x2
    CLOSE = 0x8
    PING = 0x9
    PONG = 0xA


_OPCODES = frozenset(Opcode)
_TEXT_ALONE = _FIN | Opcode.TEXT


class Fault(Exception):
    """A client broke the protocol; it is to be closed with this code."""

    def __init__(self, code: CloseCode, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


class Incoming:
    """Follows the frames of one client.

    Args:
        most: Longest message, in bytes, inflated if it came compressed.
        compressed: Whether permessage-deflate was agreed on.

    """

    __slots__ = ("_compressed", "_deflated", "_message", "_most", "_rest")

    def __init__(self, *, most: int, compressed: bool) -> None:
        self._most = most
        self._compressed = compressed
        self._rest = b""
        self._message: bytearray | None = None  # of which fragments have come
        self._deflated = False  # that message

    def is_pong(self, data: bytes) -> bool:
        """Whether bytes are nothing but the answer to an empty ping, which is what most connections say mostly."""
        return len(data) == _EMPTY and data.startswith(_PONG) and not self._rest

    def take(self, data: bytes) -> Iterator[tuple[int, bytes]]:
        """Take bytes; what is whole by them, in order: text messages and control frames, with their opcode.

        Raises:
            Fault: While iterating, behind what came before it. Then nothing more may be taken.

        """
        if self._rest:
            data, self._rest = self._rest + data, b""
        at, size = 0, len(data)
        while size - at >= 2:  # noqa: PLR2004 - what says how long a frame's head is
            first, length = data[at], data[at + 1]
            if first != _TEXT_ALONE or length < _MASKED or self._message is not None:
                self._check(first, length)
            length &= ~_MASKED
            begin = at + 6
            if length >= _LENGTH_16:
                begin += 2 if length == _LENGTH_16 else 8
                if size < begin:
                    break
                length = int.from_bytes(data[at + 2 : begin - 4], "big")
            if (length if self._message is None else length + len(self._message)) > self._most and not first & _CONTROL:
                raise Fault(CloseCode.FRAME_TOO_LARGE, f"a message has at most {self._most} bytes")
            end = begin + length
            if size < end:
                break
            payload = apply_mask(data[begin:end], data[begin - 4 : begin]) if length else b""
            at = end
            if first == _TEXT_ALONE or first & _CONTROL:
                yield first & 0x0F, payload
            else:
                message = self._add(first, payload)
                if message is not None:
                    yield Opcode.TEXT, message
        self._rest = data[at:]

    def _check(self, first: int, second: int) -> None:
        """Refuse what the first two bytes of any but the usual frame forbid, without waiting for the rest."""
        opcode = first & 0x0F
        if opcode not in _OPCODES:
            raise Fault(CloseCode.PROTOCOL_ERROR, f"there is no opcode {opcode}")
        if not second & _MASKED:
            raise Fault(CloseCode.PROTOCOL_ERROR, "clients mask their frames")
        if first & _RESERVED or (first & _COMPRESSED and not self._may_be_compressed(opcode)):
            raise Fault(CloseCode.PROTOCOL_ERROR, "a reserved bit is set")
        if opcode & _CONTROL:
            if not first & _FIN or second & ~_MASKED > _LONGEST_CONTROL:
                raise Fault(CloseCode.PROTOCOL_ERROR, "a control frame is fragmented or too long")
        elif (opcode == Opcode.CONTINUATION) is (self._message is None):
            raise Fault(CloseCode.PROTOCOL_ERROR, "a continuation of nothing, or a message within a message")
        elif opcode == Opcode.BINARY:
            raise Fault(CloseCode.BAD_FRAME, "a binary message")

    def _may_be_compressed(self, opcode: int) -> bool:
        return self._compressed and opcode in {Opcode.TEXT, Opcode.BINARY}

    def _add(self, first: int, payload: bytes) -> bytes | None:
        """Add a fragment; the message, if it is whole by it."""
        # One growing buffer: empty fragments and fragments of a byte cost no memory of their own.
        if self._message is None:
            self._message, self._deflated = bytearray(), bool(first & _COMPRESSED)
        self._message += payload
        if not first & _FIN:
            return None
        message, self._message = bytes(self._message), None
        if not self._deflated:
            return message
        try:
            return inflate(message, self._most)
        except TooLarge:
            raise Fault(CloseCode.FRAME_TOO_LARGE, f"a message has at most {self._most} bytes, inflated") from None
        except zlib.error:
            raise Fault(CloseCode.PROTOCOL_ERROR, "a message that cannot be inflated") from None
