"""A link between two processes that can be cut, stalled and healed."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import cast

Address = Path | tuple[str, int]
"""A Unix socket, or host and port."""


class _End(asyncio.Protocol):
    """One end of a connection through a link; what comes in goes out at the other."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self._transport: asyncio.Transport | None = None
        self._waiting: list[bytes] = []
        self.other: _End | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._link.add(self)
        for data in self._waiting:
            self._transport.write(data)
        self._waiting.clear()

    def data_received(self, data: bytes) -> None:
        if self.other is not None:
            self.other.send(data)

    def send(self, data: bytes) -> None:
        if self._transport is None:
            self._waiting.append(data)
        elif not self._transport.is_closing():
            self._transport.write(data)

    def pause_writing(self) -> None:
        if self.other is not None:
            self.other.listen(wanted=False)

    def resume_writing(self) -> None:
        if self.other is not None and not self._link.stalled:
            self.other.listen(wanted=True)

    def listen(self, *, wanted: bool) -> None:
        """Take what comes in, or leave it with the kernel."""
        if self._transport is None or self._transport.is_closing() or self._transport.is_reading() == wanted:
            return
        if wanted:
            self._transport.resume_reading()
        else:
            self._transport.pause_reading()

    def eof_received(self) -> bool:
        if self.other is not None:
            self.other.close()
        return False

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        self._link.remove(self)
        if self.other is not None:
            self.other.close()

    def close(self) -> None:
        """Say goodbye when everything is written."""
        if self._transport is not None:
            self._transport.close()

    def abort(self) -> None:
        """End without a word."""
        if self._transport is not None:
            self._transport.abort()


class _Near(_End):
    """The end at which clients arrive."""

    def __init__(self, link: Link, connect: Callable[[_End], Awaitable[object]]) -> None:
        super().__init__(link)
        self._connect = connect
        self._connecting: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self.other = far = _End(self._link)
        far.other = self
        self._connecting = asyncio.create_task(self._reach(far))

    async def _reach(self, far: _End) -> None:
        try:
            await self._connect(far)
        except OSError:
            self.abort()


class Link:
    """Listens at one address and carries what comes to another, and back.

    Args:
        target: Where to.

    """

    def __init__(self, target: Address) -> None:
        self._target = target
        self._ends: set[_End] = set()
        self._server: asyncio.Server | None = None
        self.stalled = False

    async def open(self, address: Address) -> Address:
        """Listen.

        Args:
            address: Where at; port 0 is any.

        Returns:
            Where at, with the port.

        """
        loop = asyncio.get_running_loop()
        if isinstance(address, Path):
            self._server = await loop.create_unix_server(self._near, str(address))
            return address
        self._server = await loop.create_server(self._near, *address)
        host, port = self._server.sockets[0].getsockname()[:2]
        return host, port

    def cut(self) -> None:
        """End all connections at once; new ones are let through."""
        for end in list(self._ends):
            end.abort()

    def stall(self) -> None:
        """Carry nothing from now on, and tell nobody: connections are half-open, new ones too."""
        self.stalled = True
        for end in self._ends:
            end.listen(wanted=False)

    def heal(self) -> None:
        """Carry on, with what has waited."""
        self.stalled = False
        for end in self._ends:
            end.listen(wanted=True)

    async def close(self) -> None:
        """End everything."""
        if self._server is not None:
            self._server.close()
        self.cut()

    def add(self, end: _End) -> None:
        """An end has its transport."""
        self._ends.add(end)
        if self.stalled:
            end.listen(wanted=False)

    def remove(self, end: _End) -> None:
        """An end has lost it."""
        self._ends.discard(end)

    def _near(self) -> _Near:
        return _Near(self, self._reach)

    async def _reach(self, far: _End) -> None:
        loop = asyncio.get_running_loop()
        if isinstance(self._target, Path):
            await loop.create_unix_connection(lambda: far, str(self._target))
        else:
            await loop.create_connection(lambda: far, *self._target)
