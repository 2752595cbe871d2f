import asyncio
import socket
from contextlib import ExitStack

import pytest
import uvloop

from front.listener import BACKLOG, DOORS, bound_port, doors

from .running import turn_until

CROWD = 4 * DOORS


def test_a_crowd_comes_in_by_groups() -> None:
    """However many wait, a turn of uvloop takes one from each door; when all doors are closed nobody comes in."""
    turns: list[int] = []

    class Guest(asyncio.Protocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            turns.append(turn)
            transport.close()

    turn = 0

    async def take_all(bound: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        servers = [await loop.create_server(Guest, sock=door, backlog=BACKLOG) for door in doors(bound)]

        def count() -> None:
            nonlocal turn
            turn += 1
            loop.call_soon(count)

        count()
        await turn_until(lambda: len(turns) == CROWD)
        for server in servers:
            server.close()
            await server.wait_closed()

    with ExitStack() as stack:
        bound = stack.enter_context(bound_port("127.0.0.1", 0, shared=False))
        bound.listen(CROWD)
        address = bound.getsockname()
        for _ in range(CROWD):
            stack.enter_context(socket.create_connection(address))
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(take_all(bound))
        assert len(set(turns)) <= CROWD / 4
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(address).close()
