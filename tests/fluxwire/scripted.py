"""A front that says what the test wants, on a real socket."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from websockets.asyncio.server import ServerConnection, serve

DEADLINE = 10.0


class Peer:
    """One connection of a client, seen by the front."""

    def __init__(self, socket: ServerConnection) -> None:
        self.socket = socket

    async def hear(self) -> dict[str, Any]:
        async with asyncio.timeout(DEADLINE):
            frame = json.loads(await self.socket.recv())
        assert isinstance(frame, dict)
        return frame

    async def say(self, kind: str, **members: object) -> None:
        await self.socket.send(json.dumps({"type": kind, **members}))

    async def welcome(self, *, heartbeat_ms: int = 25_000) -> dict[str, Any]:
        """Hear the hello, say welcome."""
        hello = await self.hear()
        assert hello["type"] == "hello"
        await self.say("welcome", protocol=1, actor="ada", max_frame=65_536, heartbeat_ms=heartbeat_ms)
        return hello

    async def outcome(self, number: int, reply: object = None) -> None:
        await self.say("outcome", lane=0, number=number, status="ok", reply=reply, stores={})


Script = Callable[[Peer], Awaitable[None]]


@asynccontextmanager
async def front(*scripts: Script) -> AsyncIterator[str]:
    """Serve one connection by each script, the last one for all that follow; what a script raises fails the test."""
    failures: list[BaseException] = []
    turns = list(scripts)

    async def handle(socket: ServerConnection) -> None:
        script = turns.pop(0) if len(turns) > 1 else turns[0]
        try:
            await script(Peer(socket))
        except (Exception, asyncio.CancelledError) as exc:  # noqa: BLE001 - told to the test below
            failures.append(exc)

    async with serve(handle, "127.0.0.1", 0, ping_interval=None) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        yield f"ws://127.0.0.1:{port}/ws"
    if failures:
        raise failures[0]
