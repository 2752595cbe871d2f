"""A small port on which a multiplexer tells how it is: ``/healthz``, ``/readyz`` and ``/metrics``."""

import contextlib
import socket
from collections.abc import Iterator
from http import HTTPStatus

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from broker.metrics import CONTENT_TYPE

from .loop import Multiplexer
from .metrics import Standing, exposition


class Status(uvicorn.Server):
    """uvicorn, but signals are the process's business (``__main__``)."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals alone."""
        yield


def status(multiplexer: Multiplexer) -> Status:
    """Make the server of the port; await its ``serve``, and set ``should_exit`` to end it.

    Args:
        multiplexer: Whom it is about.

    """
    return Status(
        uvicorn.Config(application(multiplexer), lifespan="off", log_config=None, access_log=False, server_header=False)
    )


def application(multiplexer: Multiplexer) -> Starlette:
    """Make the ASGI application.

    Args:
        multiplexer: Whom it is about.

    """

    async def healthz(_: Request) -> Response:
        return PlainTextResponse("ok\n")

    async def readyz(_: Request) -> Response:
        standing = multiplexer.metrics.standing
        code = HTTPStatus.SERVICE_UNAVAILABLE if standing is Standing.AWAY else HTTPStatus.OK
        return PlainTextResponse(f"{standing.value}\n", code)

    async def told(_: Request) -> Response:
        page = exposition(multiplexer.metrics, await multiplexer.queues(), name=multiplexer.name)
        return Response(page, headers={"Content-Type": CONTENT_TYPE, "Cache-Control": "no-store"})

    return Starlette(routes=[Route("/healthz", healthz), Route("/readyz", readyz), Route("/metrics", told)])


def bound(host: str, port: int) -> socket.socket:
    """Bind the port.

    Raises:
        OSError: The address is not ours, or somebody else has it.

    """
    return socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
