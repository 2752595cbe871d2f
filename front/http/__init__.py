"""Plain HTTP on the WebSocket's port: stores, actions, health, tokens for guests, the built web client."""

import time
from functools import partial
from pathlib import Path

import msgspec
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles

from broker.metrics import CONTENT_TYPE
from front.gates import TokenGate
from front.metrics import Front, exposition
from front.origins import ANY, Origins
from front.server import Server

from .actions import action_endpoint
from .polls import poll_endpoint
from .problems import Problem
from .stores import store_endpoint

GUEST_BODY = 1_024
"""Longest body of ``POST /guest``, in bytes."""

GUEST_NAME = 64
"""Longest name of a guest, in characters."""

GUEST_LIFETIME = 30 * 24 * 3600.0
"""How long a guest's token is good, in seconds."""


class _Guest(msgspec.Struct):
    name: str


def application(*, server: Server, gate: TokenGate, web: Path | None, guests: bool, metrics: bool = False) -> Starlette:
    """Make the ASGI application.

    Args:
        server: The front; stores and actions go through its hub, as those of WebSockets do.
        gate: Signs the tokens of guests.
        web: Folder of the built web client, served at ``/``.
        guests: Whether anybody may have a token.
        metrics: Whether ``/metrics`` answers.

    """

    async def healthz(_: Request) -> Response:
        return PlainTextResponse("ok\n")

    async def readyz(_: Request) -> Response:
        if server.ready():
            return PlainTextResponse("ready\n")
        return PlainTextResponse("no multiplexer answers\n", status_code=503)

    async def told(_: Request) -> Response:
        page = exposition(
            server.hub.metrics,
            server.hub.standing(),
            Front(server.hub.front, server.ready(), server.intake.rate),
            closed=server.rules.refusals.counts,
        )
        return Response(page, headers={"Content-Type": CONTENT_TYPE, "Cache-Control": "no-store"})

    async def refused(_: Request, exc: Exception) -> Response:
        assert isinstance(exc, Problem)
        answer = exc.response()
        server.rules.refusals.note(answer.status_code)
        return answer

    routes: list[BaseRoute] = [
        Route("/healthz", healthz),
        Route("/readyz", readyz),
        Route("/stores/{name}", store_endpoint(server)),
        Route("/actions/{name}", action_endpoint(server), methods=["POST"]),
        Route("/poll", poll_endpoint(server), methods=["POST"]),
    ]
    if metrics:
        routes.append(Route("/metrics", told))
    if guests:
        routes.append(Route("/guest", partial(_guest, gate), methods=["POST"]))
    if web is not None:
        routes.append(Mount("/", StaticFiles(directory=web, html=True)))
    return Starlette(routes=routes, exception_handlers={Problem: refused}, middleware=_shared(server.rules.origins))


def _shared(origins: Origins) -> list[Middleware]:
    """Let pages of the origins that are listed ask, and see what is answered."""
    if not origins.listed:
        return []
    return [
        Middleware(
            CORSMiddleware,
            allow_origins=sorted(origins.listed),
            allow_credentials=ANY not in origins.listed,
            allow_methods=["GET", "POST"],
            allow_headers=["Authorization", "Content-Type", "Idempotency-Key", "If-None-Match", "traceparent"],
            expose_headers=["ETag", "Fluxwire-Epoch", "Fluxwire-Version", "Retry-After"],
        )
    ]


async def _guest(gate: TokenGate, request: Request) -> Response:
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > GUEST_BODY:
            return PlainTextResponse(f"At most {GUEST_BODY} bytes.\n", status_code=413)
    try:
        name = " ".join(msgspec.json.decode(body, type=_Guest).name.split())
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return PlainTextResponse('{"name": "..."} is expected.\n', status_code=400)
    if not 0 < len(name) <= GUEST_NAME or not name.isprintable():
        return PlainTextResponse(f"A name has 1 to {GUEST_NAME} printable characters.\n", status_code=400)
    return JSONResponse({"token": gate.sign(name, now=time.time(), lifetime=GUEST_LIFETIME)})
