"""The port: uvicorn behind our own doorway, on a socket that several fronts may share."""

import asyncio
import contextlib
import socket
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, Protocol

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

BACKLOG = 4_096
"""Connections the system may hold until we accept them: a crowd that comes back comes at once."""

DOORS = 8
"""Connections taken in one turn of the event loop; twice as many would cost those who come alone a tenth more."""

SEND_BUFFER = 65_536
"""What the system keeps for a client that does not read, in bytes, beside what we keep."""

STOP_WITHIN = 5
"""Seconds that clients have at most to say goodbye when the front ends."""


class Accept(Protocol):
    """Makes the protocol of a new connection."""

    def __call__(self, *, http: Callable[[], asyncio.Protocol], connections: set[Any]) -> asyncio.Protocol:
        """Make it.

        Args:
            http: Makes uvicorn's, for a connection that is plain HTTP.
            connections: Those that have to be gone before the process ends.

        """


class Listener(uvicorn.Server):
    """uvicorn, but signals are the process's business (``__main__``)."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals alone."""
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen."""
        # uvicorn makes them at its first tick, and somebody may come before.
        self.server_state.default_headers = self.config.encoded_headers
        await super().startup([door for bound in sockets or () for door in doors(bound)])

    def close_doors(self) -> None:
        """Take no new connections; those that are there stay."""
        for server in self.servers:
            server.close()


def listener(*, http: ASGIApp, accept: Accept) -> Listener:
    """Make the server of a port; await its ``serve``, and set ``should_exit`` to end it.

    Args:
        http: Serves plain HTTP.
        accept: Makes the protocol of every connection.

    """

    # uvicorn calls it as it would call a class, by these names.
    def protocol(
        *,
        config: uvicorn.Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> asyncio.Protocol:
        plain = partial(HttpToolsProtocol, config, server_state, app_state, _loop)
        return accept(http=plain, connections=server_state.connections)

    config = uvicorn.Config(
        http,
        http=protocol,  # type: ignore[arg-type]
        ws="none",
        # One request a connection: nobody keeps a connection that costs the front something and brings it nothing.
        headers=[("connection", "close")],
        backlog=BACKLOG,
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=STOP_WITHIN,
    )
    return Listener(config)


def doors(bound: socket.socket) -> list[socket.socket]:
    """The same listening socket several times over; whoever listens on them closes them.

    libuv takes one connection from a socket in a turn of the event loop, however many wait there. With several of them
    a crowd comes in by groups, and what a turn costs is shared.
    """
    return [bound, *(bound.dup() for _ in range(DOORS - 1))]


def bound_port(host: str, port: int, *, shared: bool) -> socket.socket:
    """Bind a port.

    Args:
        host: Where to listen.
        port: Where to listen; 0 lets the system choose.
        shared: Whether other fronts of this machine may bind it as well; the system then spreads clients over them.

    Raises:
        OSError: The address is not ours, or somebody else has it.

    """
    family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    bound = socket.socket(family, kind, protocol)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if shared:
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        # Every accepted connection inherits it; the system's own default grows to megabytes.
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)
        bound.bind(address)
    except OSError:
        bound.close()
        raise
    return bound
