import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
from websockets.asyncio.client import connect

from broker.messages import Renew, Renewed
from broker.redis_bus import RedisMultiplexerBus
from front.listener import bound_port

from .running import DEADLINE, Client, soon
from .wire import KEY

ROOT = Path(__file__).parent.parent.parent


@asynccontextmanager
async def process(environment: dict[str, str]) -> AsyncIterator[asyncio.subprocess.Process]:
    """A front as a process of its own."""
    child = await asyncio.create_subprocess_exec(
        sys.executable,
        "-W",
        "error",
        "-m",
        "front",
        cwd=ROOT,
        env={"PATH": os.environ["PATH"]} | environment,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        yield child
    finally:
        if child.returncode is None:
            child.kill()
        await soon(child.communicate())


def settings(tmp_path: Path, valkey: str, namespace: str, port: int) -> dict[str, str]:
    (tmp_path / "key").write_bytes(KEY)
    return {
        "REDIS_URL": valkey,
        "FLUXWIRE_NAMESPACE": namespace,
        "FLUXWIRE_KEY_FILE": str(tmp_path / "key"),
        "FLUXWIRE_PORT": str(port),
        "FLUXWIRE_SHARED_PORT": "1",
    }


async def answer_renewals(valkey: str, namespace: str) -> None:
    """A multiplexer that only says that it is there."""
    bus = RedisMultiplexerBus(valkey, namespace, "m")
    try:
        while True:
            for delivery in await bus.receive(10):
                if any(isinstance(message, Renew) for message in delivery.parcel.messages):
                    await bus.send({delivery.parcel.front: [Renewed(1)]})
                await bus.acknowledge([delivery])
    finally:
        await bus.close()


async def test_a_front_from_start_to_end(tmp_path: Path, valkey: str, namespace: str) -> None:
    """The process is wired to a real bus, becomes ready, serves, and ends by SIGTERM with a goodbye and exit code 0."""
    with bound_port("127.0.0.1", 0, shared=True) as reserved:
        port = reserved.getsockname()[1]
        multiplexer = asyncio.create_task(answer_renewals(valkey, namespace))
        async with process(settings(tmp_path, valkey, namespace, port)) as child:
            async with asyncio.timeout(DEADLINE), httpx.AsyncClient() as http:
                while not await _ready(http, port):
                    await asyncio.to_thread(os.sched_yield)
            async with connect(f"ws://127.0.0.1:{port}/ws", compression=None) as socket:
                client = Client(socket)
                await client.hello()
                child.send_signal(signal.SIGTERM)
                assert await client.code() == 4200
                assert socket.close_reason == "come back in 0 ms"
            assert await soon(child.wait()) == 0
        multiplexer.cancel()
        await asyncio.gather(multiplexer, return_exceptions=True)


async def _ready(http: httpx.AsyncClient, port: int) -> bool:
    try:
        return (await http.get(f"http://127.0.0.1:{port}/readyz")).status_code == 200
    except httpx.ConnectError:
        return False


async def test_a_front_without_settings() -> None:
    """It names what is missing, without a traceback, and ends."""
    async with process({}) as child:
        _, said = await soon(child.communicate())
    assert child.returncode == 2
    assert [line.split()[0] for line in said.decode().splitlines()] == ["REDIS_URL", "FLUXWIRE_KEY_FILE"]


async def test_a_port_that_is_taken(tmp_path: Path) -> None:
    """Somebody else's port is named, without a traceback."""
    server = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        async with process(settings(tmp_path, "redis://127.0.0.1:1", "n", port)) as child:
            _, said = await soon(child.communicate())
    assert child.returncode == 1
    assert f"127.0.0.1:{port}" in said.decode()
    assert "Traceback" not in said.decode()
