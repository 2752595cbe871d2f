"""The Python client: connects, comes back, holds stores, dispatches actions.

    async with Client("ws://127.0.0.1:8000/ws", token) as client:
        room = client.subscribe("room", {"room": "lobby"})
        await room.ready()
        await client.dispatch("post_message", {"room": "lobby", "body": "hello"})

One task and one timer a connection, so that a process can hold thousands. The protocol itself is in ``session``.
"""

from __future__ import annotations

import asyncio
import logging
import random
import re
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from types import TracebackType
from typing import Self

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidURI

from .dispatches import Dispatched
from .frames import ProtocolFault
from .session import Session
from .subscriptions import Refused, Subscription

__all__ = ["Client", "Dispatched", "Refused", "Stopped", "Subscription"]

log = logging.getLogger(__name__)

SHORTEST_PAUSE = 0.1
LONGEST_PAUSE = 3.0
"""Bounds of the back-off, in seconds."""
OPEN_SECONDS = 10.0
"""How long a connection may take to open, in seconds."""
# §6: RFC 6455's codes for "this is no good, and will not be the next time".
STOP_CODES = {1002, 1003, 1007, 1009}
OUR_FINAL_CODES = range(4000, 4200)
NO_HELLO = 4102
LOST = 1006


RETURN = re.compile(r"come back in (\d+) ms\b")
LONGEST_RETURN = 300.0
"""§6: the longest that a front may ask for, in seconds."""


class Stopped(Exception):
    """The client has stopped and will not come back.

    Args:
        code: The close code (docs/protocol.md §6); 1000 if the client was closed by its user.
        reason: The front's words.

    """

    def __init__(self, code: int, reason: str = "") -> None:
        super().__init__(f"{code} {reason}".strip())
        self.code = code
        self.reason = reason


class Client:
    """A client of a Fluxwire cluster; call :meth:`connect`, or use it as a context.

    Args:
        urls: Address of a front's WebSocket, or several that are tried in turn.
        token: JSON Web Token of the actor.
        client_id: The client's own id (§2), a random one if left out.

    """

    def __init__(self, urls: str | Sequence[str], token: str, client_id: str | None = None) -> None:
        self._urls = [urls] if isinstance(urls, str) else list(urls)
        self._session = Session(token, client_id)
        self._task: asyncio.Task[None] | None = None
        self._socket: ClientConnection | None = None
        self._opened: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._flushing: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._resuming: asyncio.TimerHandle | None = None
        self._heard_at = 0.0
        self._pinged = False
        self._tries = 0
        self._failures = 0  # since the last welcome
        self.connects = 0
        """How often a connection was opened: one more than it came back."""

    @property
    def unanswered(self) -> int:
        """How many actions have no outcome yet."""
        return self._session.unanswered

    def start(self) -> None:
        """Begin to connect, and do not wait for it; what is asked for meanwhile is sent then."""
        if self._task is None:
            self._task = asyncio.create_task(self._run())
            self._task.add_done_callback(self._ended)

    async def connect(self) -> None:
        """Connect, and wait until the front has said welcome, for as long as that takes.

        Raises:
            Stopped: The front does not want us.

        """
        self.start()
        await asyncio.shield(self._opened)

    async def close(self) -> None:
        """Close the connection; who still waits for something gets Stopped."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        self._stop(Stopped(1000, "closed by its user"))

    def subscribe(self, name: str, params: Mapping[str, object] | None = None) -> Subscription:
        """Subscribe to a store; await ``ready()`` of the result."""
        subscription = self._session.subscribe(name, params or {})
        self._flush_soon()
        return subscription

    def unsubscribe(self, subscription: Subscription) -> None:
        """Let go of a store."""
        self._session.unsubscribe(subscription)
        self._flush_soon()

    def dispatch(self, name: str, params: Mapping[str, object] | None = None) -> Dispatched:
        """Dispatch an action; await the result for its reply.

        It is on its way whether it is awaited or not, behind all that was dispatched before.

        Raises:
            ValueError: The frame would be longer than the front takes, or holds what is no text.

        """
        action = self._session.dispatch(name, params or {})
        self._flush_soon()
        return action

    def refresh(self, token: str) -> None:
        """Go on with a fresh token of the same actor, before the old one expires."""
        self._session.refresh(token)
        self._flush_soon()

    async def __aenter__(self) -> Self:
        await self.connect()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    async def _run(self) -> None:
        while True:
            asked = None
            try:
                asked = await self._serve(self._urls[self._tries % len(self._urls)])
            except (OSError, TimeoutError, InvalidHandshake, ConnectionClosed, ProtocolFault) as exc:
                log.debug("x %s", exc)
            # Full jitter, so that a herd does not come back in step.
            longest = min(LONGEST_PAUSE, SHORTEST_PAUSE * 2 ** min(self._failures, 10))
            self._failures += 1
            self._tries += 1
            await asyncio.sleep(random.uniform(0, longest) if asked is None else asked)  # noqa: S311 - nobody gains by guessing it

    async def _serve(self, url: str) -> float | None:
        """Hold one connection until it ends; in how many seconds to come back, if the front said so.

        Raises:
            Stopped: There is no use in coming back.

        """
        try:
            socket = await connect(
                url,
                compression=None,
                max_size=None,
                ping_interval=None,  # our own, by §2
                open_timeout=OPEN_SECONDS,
                close_timeout=1,
                proxy=None,
            )
        except InvalidURI as exc:
            raise Stopped(1002, str(exc)) from exc
        self._socket = socket
        self._session.connected()
        self._flush_soon()
        try:
            # Ends with the connection; its close code is looked at below.
            with suppress(ConnectionClosed):
                async for message in socket:
                    self._hear(message)
                    if self._session.start_over is not None:
                        return None
        finally:
            self._socket = None
            self._session.lost()
            for timer in self._timer, self._resuming:
                if timer is not None:
                    timer.cancel()
            if self._flushing is not None:
                self._flushing.cancel()
            self._timer = self._resuming = self._flushing = None
            await socket.close()
        code = socket.close_code or LOST
        if code in STOP_CODES or (code in OUR_FINAL_CODES and code != NO_HELLO):
            raise Stopped(code, socket.close_reason or "")
        return return_time(socket.close_reason or "")

    def _hear(self, message: str | bytes) -> None:
        self._heard_at = time.monotonic()
        self._pinged = False
        self._session.receive(message, self._heard_at)
        if self._timer is None and self._session.welcome:
            self._failures = 0
            self.connects += 1
            if not self._opened.done():
                self._opened.set_result(None)
            self._watch(self._session.welcome.heartbeat_ms / 1000)
        if self._resuming is None and (due := self._session.resume_at) is not None:
            self._resuming = asyncio.get_running_loop().call_later(due - self._heard_at, self._resume)
        self._flush_soon()

    def _resume(self) -> None:
        self._resuming = None
        self._session.resume(time.monotonic())
        self._flush_soon()

    def _watch(self, heartbeat: float) -> None:
        """§2: ask a silent front for a sign of life, and take a connection without one for dead."""
        silent = time.monotonic() - self._heard_at
        if self._socket is not None and silent >= heartbeat:
            if self._pinged:
                self._socket.transport.abort()
            self._pinged = True
            self._session.ping()
            self._flush_soon()
            silent = 0.0
        self._timer = asyncio.get_running_loop().call_later(heartbeat - silent, self._watch, heartbeat)

    def _flush_soon(self) -> None:
        """Send what there is to send at the end of this turn of the loop, so that a burst is one flush."""
        if self._socket is not None and self._flushing is None and self._session.has_out:
            self._flushing = asyncio.create_task(self._flush(self._socket))

    async def _flush(self, socket: ClientConnection) -> None:
        # The reader learns of a lost connection too, and what got lost is sent again on the next one.
        with suppress(ConnectionClosed):
            while out := self._session.take_out(time.monotonic()):
                for text in out:
                    await socket.send(text)
            self._flushing = None

    def _ended(self, task: asyncio.Task[None]) -> None:
        # Whatever ended it, also a fault of ours: nobody is left waiting.
        if not task.cancelled() and (failure := task.exception()) is not None:
            self._stop(failure)

    def _stop(self, failure: BaseException) -> None:
        self._session.fail(failure)
        if not self._opened.done():
            self._opened.set_exception(failure)
            self._opened.exception()  # nobody has to wait for it


def return_time(reason: str) -> float | None:
    """§6: in how many seconds to come back, if the reason of a close says so."""
    asked = RETURN.match(reason)
    return None if asked is None else min(int(asked[1]) / 1000, LONGEST_RETURN)
