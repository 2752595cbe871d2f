"""Both ends of the wire, for tests: what a client sends, and what it makes of the bytes it gets."""

import json
from typing import Any

from websockets.frames import Frame, Opcode

from front.hub import Hub

KEY = b"a key of thirty-two bytes or more"

Json = dict[str, Any]


def masked(data: bytes, *, opcode: Opcode = Opcode.TEXT, fin: bool = True) -> bytes:
    """A WebSocket frame as a client sends it."""
    return Frame(opcode, data, fin).serialize(mask=True)


def request(path: str = "/ws") -> bytes:
    """A client's request for an upgrade."""
    return (
        f"GET {path} HTTP/1.1\r\nHost: front\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    ).encode()


class Reader:
    """Splits the bytes of a front into frames."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> list[tuple[Opcode, bytes]]:
        """The frames that are complete by these bytes."""
        self._rest += data
        frames = []
        while (frame := self._next()) is not None:
            frames.append(frame)
        return frames

    def _next(self) -> tuple[Opcode, bytes] | None:
        data = self._rest
        if len(data) < 2:
            return None
        assert data[0] & 0xF0 == 0x80, "whole messages only, no extension bits"
        assert data[1] & 0x80 == 0, "fronts do not mask"
        length, begin = data[1], 2
        if length == 126:
            length, begin = int.from_bytes(data[2:4], "big"), 4
        elif length == 127:
            length, begin = int.from_bytes(data[2:10], "big"), 10
        if len(data) < begin + length:
            return None
        self._rest = data[begin + length :]
        return Opcode(data[0] & 0x0F), data[begin : begin + length]


def texts(data: bytes) -> list[Json]:
    """The JSON objects in the bytes of a front, which hold nothing but whole text messages."""
    frames = Reader().feed(data)
    assert all(opcode is Opcode.TEXT for opcode, _ in frames)
    return [json.loads(payload) for _, payload in frames]


class Letterbox:
    """Stands for a client's socket, and takes everything."""

    def __init__(self) -> None:
        self._writes: list[bytes] = []

    def send(self, data: bytes, /) -> int:
        self._writes.append(data)
        return len(data)

    def leave(self, rest: bytes) -> None:
        raise AssertionError("it took everything")

    def empty(self) -> list[bytes]:
        """What was written since the last look."""
        writes, self._writes = self._writes, []
        return writes


def carry(hub: Hub) -> int:
    """Write what a hub has for its clients; how many writes that were."""
    count = 0
    for wires, data in hub.writes():
        for wire in wires:
            assert wire.send(data) == len(data)
            count += 1
    return count
