"""The port: uvicorn with our protocol for upgraded sockets, on a socket that several fronts may share."""

import contextlib
import socket
from collections.abc import Callable, Iterator
from typing import Any

import uvicorn
from starlette.types import ASGIApp

STOP_WITHIN = 5
"""Seconds that clients have at most to say goodbye when the front ends."""


class Listener(uvicorn.Server):
    """uvicorn, but signals are the process's business (``__main__``)."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals alone."""
        yield


def listener(*, http: ASGIApp, accept: Callable[..., Any]) -> Listener:
    """Make the server of a port; await its ``serve``, and set ``should_exit`` to end it.

    Args:
        http: Serves plain HTTP.
        accept: Makes the protocol of a socket that asked for an upgrade.

    """
    config = uvicorn.Config(
        http,
        # uvicorn calls it as it would call a class.
        ws=accept,  # type: ignore[arg-type]
        http="httptools",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=STOP_WITHIN,
    )
    return Listener(config)


def shared_port(host: str, port: int) -> socket.socket:
    """Bind a port that other fronts of this machine may bind as well; the system spreads clients over them.

    Raises:
        OSError: The address is not ours, or somebody else has it.

    """
    family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    bound = socket.socket(family, kind, protocol)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        bound.bind(address)
    except OSError:
        bound.close()
        raise
    return bound
