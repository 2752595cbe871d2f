"""The way to a client's socket past its transport: what a crowd gets goes straight to the system.

A transport costs twice what Python's ``send`` does, and calls write(2), which costs the system more than send(2).
"""

import asyncio
from socket import AF_UNSPEC, SOCK_STREAM, SocketType
from typing import Protocol


class Writer(Protocol):
    """Whoever has the transport."""

    def write_rest(self, data: bytes) -> None:
        """Have the transport write what was not sent."""


class DirectWire(SocketType):
    """A client's socket, of which only ``send`` is used; it does not block.

    It is there while the transport has nothing left to write, so that nothing is overtaken, and no longer than the
    client. Event loops close a descriptor after they have told that the connection is lost, so that it cannot be
    another client's by then. While it is not there, sending fails.

    Args:
        writer: Gets what was not sent.

    """

    __slots__ = ("_writer",)

    def __init__(self, writer: Writer) -> None:  # SocketType's own would make a socket
        self._writer = writer

    def leave(self, rest: bytes) -> None:
        """Take charge of what was not sent."""
        self._writer.write_rest(rest)

    def reach(self, transport: asyncio.Transport) -> None:
        """Be there; the descriptor stays the transport's."""
        socket = transport.get_extra_info("socket")
        # Sending asks for the descriptor alone; event loops make the family anew each time they are asked for it.
        SocketType.__init__(self, AF_UNSPEC, SOCK_STREAM, 0, socket.fileno())

    def part(self) -> None:
        """Be there no longer."""
        self.detach()
