"""A front on a real port over a bus in memory, with a multiplexer that answers as one would."""

import asyncio
import functools
import inspect
import json
import os
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import pytest
import uvloop
from websockets.asyncio.client import ClientConnection, connect

from broker.bus import FrontBus, MultiplexerBus
from broker.memory_bus import MemoryBus
from broker.messages import Action, MultiplexerMessage, Open, Renew
from front.client_socket import Socket
from front.drain import DEFAULT_PACE, Pace
from front.gates import TokenGate
from front.http import application
from front.hub import Hub
from front.listener import Listener, bound_port, listener
from front.rules import Rules
from front.server import Server

from .truth import Truth
from .wire import KEY, Json, masked, request

DEADLINE = 20.0
GATE = TokenGate(KEY)

T = TypeVar("T")
P = ParamSpec("P")


def on_both_loops(test: Callable[P, Coroutine[Any, Any, None]]) -> Callable[P, None]:
    """Run a test on asyncio's own event loop and on uvloop's, which fronts use where they can."""

    @functools.wraps(test)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        make = {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}[str(kwargs.pop("loop"))]
        with asyncio.Runner(loop_factory=make) as runner:
            runner.run(test(*args, **kwargs))

    signature = inspect.signature(test)
    loop = inspect.Parameter("loop", inspect.Parameter.KEYWORD_ONLY)
    run.__signature__ = signature.replace(parameters=[*signature.parameters.values(), loop])  # type: ignore[attr-defined]
    on_both: Callable[P, None] = pytest.mark.parametrize("loop", ["asyncio", "uvloop"])(run)
    return on_both


async def soon(awaitable: Awaitable[T]) -> T:
    """Wait for something that is about to happen."""
    return await asyncio.wait_for(awaitable, DEADLINE)


async def turn_until(condition: Callable[[], object]) -> None:
    """Let the loop turn until something is so."""
    async with asyncio.timeout(DEADLINE):
        while not condition():
            await asyncio.to_thread(os.sched_yield)


class Multiplexer:
    """Answers every front on a bus."""

    def __init__(self, bus: MultiplexerBus) -> None:
        self.bus = bus
        self.truth = Truth("e")
        self.actions: list[Action] = []
        """That were not refused."""
        self.openings: list[Open] = []
        self.renewals = 0
        self.deaf = False

    async def run(self) -> None:
        while True:
            for delivery in await self.bus.receive(10):
                for message in () if self.deaf else delivery.parcel.messages:
                    if isinstance(message, Renew):
                        self.renewals += 1
                    elif isinstance(message, Open):
                        self.openings.append(message)
                    elif isinstance(message, Action) and not self.truth.denied:
                        self.actions.append(message)
                    commits, answers = self.truth.answer(message)
                    await self.bus.publish(commits)
                    await self.bus.send({delivery.parcel.front: answers})
                await self.bus.acknowledge([delivery])

    async def publish(self, message: MultiplexerMessage) -> None:
        await self.bus.publish([message])

    async def commit(self, *names: str, padding: int = 0) -> None:
        commits, _ = self.truth.commit(*names, padding=padding)
        await self.bus.publish(commits)


class Client:
    """A client of a real socket."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket

    async def say(self, **frame: object) -> None:
        await soon(self.socket.send(json.dumps(frame)))

    async def hear(self) -> Json:
        frame = json.loads(await soon(self.socket.recv()))
        assert isinstance(frame, dict)
        return frame

    async def hello(self, actor: str = "ada", *, lifetime: float = 60) -> None:
        token = GATE.sign(actor, now=time.time(), lifetime=lifetime)
        await self.say(type="hello", protocols=[1], token=token, client="c")
        assert (await self.hear())["type"] == "welcome"

    async def subscribe(self, number: int, name: str, **params: str) -> None:
        await self.say(type="subscribe", stores=[{"id": number, "name": name, "params": params}])
        assert (await self.hear())["type"] == "subscribed"
        assert (await self.hear())["type"] == "snapshot"

    async def code(self) -> int | None:
        """The code it is closed with."""
        await soon(self.socket.wait_closed())
        return self.socket.close_code


class Running:
    """A front at work."""

    def __init__(
        self, server: Server, listener: Listener, port: int, multiplexer: Multiplexer, memory: MemoryBus
    ) -> None:
        self.server = server
        self.memory = memory
        self.listener = listener
        self.port = port
        self.multiplexer = multiplexer

    @property
    def sockets(self) -> list[Socket]:
        return [socket for socket in self.listener.server_state.connections if isinstance(socket, Socket)]

    @property
    def http(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @asynccontextmanager
    async def client(self, *, hello: bool = True) -> AsyncIterator[Client]:
        address = f"ws://127.0.0.1:{self.port}/ws"
        async with connect(address, compression=None, max_size=None, ping_interval=None) as socket:
            client = Client(socket)
            if hello:
                await client.hello()
            yield client


@asynccontextmanager
async def running(
    *,
    bus: FrontBus | None = None,
    web: Path | None = None,
    guests: bool = False,
    rules: Rules | None = None,
    pace: Pace = DEFAULT_PACE,
    tick: float = 0.0,
) -> AsyncIterator[Running]:
    """Run a front on a free port; on the way out it ends as by SIGTERM.

    Args:
        bus: Used instead of the front's end of the bus in memory.
        web: Folder served at ``/``.
        guests: Whether guests get tokens.
        rules: Those of the front, its defaults if left out.
        pace: How fast clients are sent away.
        tick: How far apart its parcels and writes are at least, in seconds.

    """
    memory = MemoryBus(quiet=0.05)
    multiplexer = Multiplexer(memory.multiplexer())
    server = Server(
        hub=Hub(front="f", rules=rules),
        bus=bus or memory.front("f"),
        verify=GATE.verify,
        rules=rules,
        pace=pace,
        tick=tick,
    )
    http = application(server=server, gate=GATE, web=web, guests=guests, metrics=True)
    port = listener(http=http, accept=server.accept)
    with bound_port("127.0.0.1", 0, shared=True) as bound:
        work = [asyncio.create_task(server.run()), asyncio.create_task(multiplexer.run())]
        bound.listen()  # so that clients may come at once
        serve = asyncio.create_task(port.serve(sockets=[bound]))
        try:
            yield Running(server, port, bound.getsockname()[1], multiplexer, memory)
        finally:
            port.should_exit = True
            await soon(serve)
            for task in work:
                task.cancel()
            await asyncio.gather(*work, return_exceptions=True)


@asynccontextmanager
async def plain_client(
    front: Running, *, receive_buffer: int | None = None, lifetime: float = 60
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A client on a bare socket that says hello, and then neither reads nor answers pings by itself."""
    plain = socket.socket()
    if receive_buffer is not None:
        plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    plain.setblocking(False)
    await asyncio.get_running_loop().sock_connect(plain, ("127.0.0.1", front.port))
    reader, writer = await asyncio.open_connection(sock=plain, limit=2048)
    try:
        writer.write(request())
        await soon(reader.readuntil(b"\r\n\r\n"))
        token = GATE.sign("slow", now=time.time(), lifetime=lifetime)
        writer.write(masked(json.dumps({"type": "hello", "protocols": [1], "token": token, "client": "c"}).encode()))
        assert (await read_frame(reader))["type"] == "welcome"
        yield reader, writer
    finally:
        writer.transport.abort()
        await asyncio.gather(writer.wait_closed(), return_exceptions=True)


async def read_raw(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    first, length = await soon(reader.readexactly(2))
    if length == 126:
        length = int.from_bytes(await soon(reader.readexactly(2)), "big")
    elif length == 127:
        length = int.from_bytes(await soon(reader.readexactly(8)), "big")
    return first & 0x0F, await soon(reader.readexactly(length))


async def read_frame(reader: asyncio.StreamReader) -> Json:
    frame = json.loads((await read_raw(reader))[1])
    assert isinstance(frame, dict)
    return frame
