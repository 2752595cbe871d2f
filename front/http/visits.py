"""A client of the hub for the time of one request: openings, permissions, caches and numbers are those of everybody."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from starlette.requests import Request

from front.clients import Client
from front.credentials import bearer_token
from front.frames import Dispatch, Subscribe, Unsubscribe, payloads
from front.gates import NOBODY, Identity, KeyUnknown, TokenRefused
from front.server import Server

from .problems import problem

ANSWER_WITHIN = 15.0
"""Seconds until a request that got no answer from the multiplexer is told to come again (503)."""


class Visit:
    """What one request hears of the hub; made by :func:`visit`.

    It takes frames as a socket does, and keeps them until somebody asks.
    """

    def __init__(self, server: Server) -> None:
        self._server = server
        self._heard: list[bytes] = []
        self._arrived = asyncio.Event()
        self.client: Client | None = None

    def send(self, data: bytes, /) -> int:
        """Take the frames of a tick, all of them."""
        self._heard += payloads(data)
        self._arrived.set()
        return len(data)

    def leave(self, rest: bytes) -> None:
        """Nothing is ever left."""
        raise NotImplementedError

    def say(self, frame: Subscribe | Unsubscribe | Dispatch) -> None:
        """Tell the hub what the request is about.

        Raises:
            Problem: It makes no sense; see docs/protocol.md §1.

        """
        assert self.client is not None, "nobody visits before he has come in"
        self._server.hub.receive(self.client, frame, self._server.now())
        self._server.flush_soon()
        if self.client.failed is not None:
            raise problem("bad_request", self.client.failed)

    async def hear(self, within: float | None = None) -> list[bytes]:
        """Wait for the next tick that has something for us; the JSON texts of its frames.

        Args:
            within: For how long, in seconds; :data:`ANSWER_WITHIN` if left out.

        Raises:
            Problem: Nothing came.

        """
        try:
            async with asyncio.timeout(ANSWER_WITHIN if within is None else within):
                return await self.next()
        except TimeoutError:
            raise problem("unavailable", "The database does not answer for now; send it again.") from None

    async def next(self) -> list[bytes]:
        """The same, without a limit."""
        await self._arrived.wait()
        self._arrived.clear()
        heard, self._heard = self._heard, []
        return heard


@contextmanager
def visit(server: Server, identity: Identity, client_id: str) -> Iterator[Visit]:
    """Come in, and be gone at the end whatever happens.

    Args:
        server: The front.
        identity: Who asks.
        client_id: The client's own id (docs/protocol.md §2).

    Raises:
        Problem: There are too many of him already.

    """
    if not server.rules.actors.has_room(identity.actor):
        raise problem("busy", "Too many requests and connections of this actor.")
    visitor = Visit(server)
    server.rules.actors.enter(identity.actor)
    client = visitor.client = server.hub.opened(identity, client_id, wire=visitor, window=0)
    try:
        yield visitor
    finally:
        server.hub.closed(client, server.now())
        server.rules.actors.leave(identity.actor)


def bearer(server: Server, request: Request) -> Identity:
    """Who asks, by the token in ``Authorization: Bearer``; never by one in the address, which stands in logs.

    Raises:
        Problem: There is none, or it is not accepted.

    """
    token = bearer_token(request.headers.get("authorization", ""))
    if token is None:
        raise problem("no_token", "A token is needed: Authorization: Bearer …")
    try:
        return server.verify(token)
    except KeyUnknown as exc:
        raise problem("unavailable", str(exc)) from None
    except TokenRefused as exc:
        raise problem("token_refused", str(exc)) from None


def reader(server: Server, request: Request) -> Identity:
    """Who asks to read: without a token nobody in particular, where guests may.

    Raises:
        Problem: As for :func:`bearer`.

    """
    if server.rules.guests and "authorization" not in request.headers:
        return NOBODY
    return bearer(server, request)


async def body(request: Request, most: int) -> bytes:
    """The body of a request, which has to be JSON: no form of another site can send that.

    Raises:
        Problem: It is too long, or declared as something else.

    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise problem("not_json", "The body must be application/json.")
    received = bytearray()
    async for part in request.stream():
        received += part
        if len(received) > most:
            raise problem("too_large", f"At most {most} bytes.")
    return bytes(received)
