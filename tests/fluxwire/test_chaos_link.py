"""A link carries bytes both ways, until it is cut or stalled, and again when it is healed."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import cast

import pytest

from fluxwire.chaos.link import Link

DEADLINE = 10.0


class Echo(asyncio.Protocol):
    """Says what it hears."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self.transport.write(data)


@asynccontextmanager
async def echo(path: Path) -> AsyncIterator[Link]:
    """A link to an echo at the path `near`."""
    server = await asyncio.get_running_loop().create_unix_server(Echo, path / "far")
    link = Link(path / "far")
    await link.open(path / "near")
    try:
        async with asyncio.timeout(DEADLINE):
            yield link
    finally:
        await link.close()
        server.close()
        # The ends of what was cut are told in a turn of their own.
        await asyncio.sleep(0)
        await asyncio.sleep(0)


async def test_carries(tmp_path: Path) -> None:
    """Whatever its size, in order, and the end too."""
    async with echo(tmp_path):
        reader, writer = await asyncio.open_unix_connection(tmp_path / "near")
        data = bytes(range(256)) * 8192
        writer.write(data)
        assert await reader.readexactly(len(data)) == data
        writer.write_eof()
        assert await reader.read() == b""
        writer.close()


async def test_over_tcp() -> None:
    """From one port to another."""
    server = await asyncio.get_running_loop().create_server(Echo, "127.0.0.1", 0)
    link = Link(server.sockets[0].getsockname()[:2])
    address = await link.open(("127.0.0.1", 0))
    assert isinstance(address, tuple)
    reader, writer = await asyncio.open_connection(*address)
    async with asyncio.timeout(DEADLINE):
        writer.write(b"hello")
        assert await reader.readexactly(5) == b"hello"
    writer.close()
    await writer.wait_closed()
    await link.close()
    server.close()


async def test_cut(tmp_path: Path) -> None:
    """Both ends learn of it; the next connection is good."""
    async with echo(tmp_path) as link:
        reader, writer = await asyncio.open_unix_connection(tmp_path / "near")
        writer.write(b"1")
        assert await reader.readexactly(1) == b"1"
        link.cut()
        with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
            await reader.readexactly(1)
        writer.close()
        reader, writer = await asyncio.open_unix_connection(tmp_path / "near")
        writer.write(b"2")
        assert await reader.readexactly(1) == b"2"
        writer.close()


async def test_stalled(tmp_path: Path) -> None:
    """Nothing arrives on old and new connections, and nobody is told; healed, all of it does."""
    async with echo(tmp_path) as link:
        old_reader, old_writer = await asyncio.open_unix_connection(tmp_path / "near")
        old_writer.write(b"0")
        assert await old_reader.readexactly(1) == b"0"
        link.stall()
        new_reader, new_writer = await asyncio.open_unix_connection(tmp_path / "near")
        old_writer.write(b"1")
        new_writer.write(b"2")
        readers = [asyncio.create_task(reader.readexactly(1)) for reader in (old_reader, new_reader)]
        done, _ = await asyncio.wait(readers, timeout=0.2)
        assert not done
        link.heal()
        assert await asyncio.gather(*readers) == [b"1", b"2"]
        old_writer.close()
        new_writer.close()


async def test_nobody_there(tmp_path: Path) -> None:
    """Where nobody listens a connection ends at once."""
    link = Link(tmp_path / "far")
    await link.open(tmp_path / "near")
    reader, writer = await asyncio.open_unix_connection(tmp_path / "near")
    async with asyncio.timeout(DEADLINE):
        with suppress(ConnectionError):
            assert await reader.read() == b""
    writer.close()
    await link.close()
