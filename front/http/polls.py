"""``POST /poll``: what a client would say on a WebSocket, and what a front would say until there is something new.

For networks in which nothing lasts. Every request stands for itself: it says who asks, where his documents stand and
which of his actions have no outcome, so that any front can answer it, and one that is given up leaves nothing behind.
"""

import asyncio
from collections.abc import Callable, Coroutine, Iterable
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from front.codes import CloseCode
from front.connection import Connection, Event, Opened, State
from front.credentials import token_with
from front.frames import BadFrame, Dispatch, Subscribe, Unsubscribe, messages, payloads
from front.gates import Identity
from front.problems import fault_of
from front.rules import Rules
from front.server import Server
from front.stream import MOST_SAID

from .problems import Problem
from .visits import Visit, body, visit

PATIENCE = 25.0
"""Seconds until a request that waits for news is answered without any: proxies end what is silent for longer."""

Endpoint = Callable[[Request], Coroutine[Any, Any, Response]]


class Head(msgspec.Struct):
    """What tells frames apart."""

    type: str
    id: int = 0
    lane: int = 0
    number: int = 0


_head = msgspec.json.Decoder(Head)


class Letter(Connection):
    """A client that said all at once, and is answered all at once.

    Args:
        verify: Tells who a token speaks for, or raises TokenRefused.
        rules: How much is allowed.
        token: That came with the request, for a ``hello`` without one.

    """

    __slots__ = ("answer",)

    def __init__(self, *, verify: Callable[[str], Identity], rules: Rules, token: str | None) -> None:
        super().__init__(verify=verify, rules=rules, token=token)
        self.answer: list[bytes] = []
        """The JSON texts of what the front said by itself."""

    def read(self, letter: bytes) -> tuple[Event, ...]:
        """What the client said.

        Raises:
            Problem: It is closed for it.

        """
        try:
            for message in messages(letter):
                self.receive_message(message)
        except BadFrame as exc:
            self.close(CloseCode.BAD_FRAME, str(exc))
        if self.state is State.OPENING:
            self.close(CloseCode.BAD_FRAME, "hello is expected")
        return self.events()

    def _say(self, frame: bytes) -> None:
        self.answer += payloads(frame)

    def _end(self, payload: bytes) -> None:
        self.state = State.CLOSED
        code = int.from_bytes(payload[:2], "big")
        raise Problem(fault_of(code, payload[2:].decode()), close=code)


class Expected:
    """What has to come before a request is answered."""

    def __init__(self, said: Iterable[Event]) -> None:
        self._stores: set[int] = set()
        self._actions: set[tuple[int, int]] = set()
        for event in said:
            if isinstance(event, Subscribe):
                self._stores.update(store.id for store in event.stores)
            elif isinstance(event, Unsubscribe):
                self._stores.difference_update(event.ids)
            elif isinstance(event, Dispatch):
                self._actions.add((event.lane, event.number))
        # Who has something to say, or wants nothing, does not wait for news.
        self._news = bool(self._actions) or not self._stores

    @property
    def here(self) -> bool:
        """Whether all that was asked has its answer, and there is something to tell."""
        return self._news and not self._stores and not self._actions

    def take(self, frame: bytes) -> None:
        """A frame came."""
        head = _head.decode(frame)
        match head.type:
            case "subscribed":
                self._stores.discard(head.id)
            case "unsubscribed":
                self._stores.discard(head.id)
                self._news = True
            case "outcome":
                self._actions.discard((head.lane, head.number))
            case "snapshot" | "update":
                self._news = True


def poll_endpoint(server: Server) -> Endpoint:
    """Make the endpoint of a front."""

    async def post(request: Request) -> Response:
        token = token_with(request.headers, server.rules.cookie)
        letter = Letter(verify=server.verify, rules=server.rules, token=token)
        opened, *said = letter.read(await body(request, MOST_SAID))
        assert isinstance(opened, Opened), "nothing is let through before hello"
        frames = letter.answer
        with visit(server, opened.identity, opened.client) as visitor:
            for event in said:
                if isinstance(event, Subscribe | Unsubscribe | Dispatch):
                    visitor.say(event)
            await _listen(visitor, Expected(said), frames, _end_of(request), server.left.wait())
        return Response(
            b"[%b]" % b",".join(frames), headers={"Cache-Control": "no-store"}, media_type="application/json"
        )

    return post


async def _end_of(request: Request) -> None:
    """Wait until nobody is there any more to be answered."""
    while (await request.receive())["type"] != "http.disconnect":
        pass


async def _listen(visitor: Visit, expected: Expected, frames: list[bytes], *ends: Coroutine[Any, Any, object]) -> None:
    """Gather frames until what is expected is here, or there is no use in waiting any more."""
    loop = asyncio.get_running_loop()
    until = loop.time() + PATIENCE
    reasons = [loop.create_task(end) for end in ends]
    try:
        while not expected.here:
            hearing = loop.create_task(visitor.next())
            try:
                await asyncio.wait(
                    [hearing, *reasons], timeout=until - loop.time(), return_when=asyncio.FIRST_COMPLETED
                )
                if not hearing.done():
                    return
                for frame in hearing.result():
                    frames.append(frame)
                    expected.take(frame)
            finally:
                hearing.cancel()
    finally:
        for reason in reasons:
            reason.cancel()
