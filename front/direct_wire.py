"""The way to a client's socket past its transport: what a crowd gets goes straight to the system.

A transport costs twice what Python's ``send`` does, and calls write(2), which costs the system more than send(2).
"""

import asyncio
from collections.abc import Callable
from socket import SOCK_STREAM, SocketType


class DirectWire(SocketType):
    """A client's socket, of which only ``send`` is used; it does not block.

    It is there while the transport has nothing left to write, so that nothing is overtaken, and no longer than the
    client. Event loops close a descriptor after they have told that the connection is lost, so that it cannot be
    another client's by then. While it is not there, sending fails.

    Args:
        leave: Has the transport write what was not sent.

    """

    __slots__ = ("leave",)

    def __init__(self, leave: Callable[[bytes], None]) -> None:  # SocketType's own would make a socket
        self.leave = leave

    def reach(self, transport: asyncio.Transport) -> None:
        """Be there; the descriptor stays the transport's."""
        socket = transport.get_extra_info("socket")
        super().__init__(socket.family, SOCK_STREAM, 0, socket.fileno())

    def part(self) -> None:
        """Be there no longer."""
        self.detach()
