"""``python -m multiplexer``: read the settings, wire, run until told to stop."""

import asyncio
import logging
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

from broker import log
from broker.redis_bus import RedisMultiplexerBus
from broker.traces import Traces

from .errors import SettingsError
from .loop import Multiplexer
from .settings import Settings
from .status import bound, status


async def serve(settings: Settings, *, port: socket.socket | None, traces: Traces | None) -> None:
    """Run one multiplexer until SIGTERM or SIGINT.

    Args:
        settings: Its settings.
        port: Where it tells how it is; None: nowhere.
        traces: Where spans go; None: nowhere.

    """
    bus = RedisMultiplexerBus(settings.redis_url, settings.namespace, settings.name)
    multiplexer = Multiplexer(settings, bus, traces=traces)
    loop = asyncio.get_running_loop()
    async with telling(multiplexer, port):
        running = asyncio.create_task(multiplexer.run())
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, running.cancel)
        try:
            await running
        except asyncio.CancelledError:
            logging.getLogger("multiplexer").info("stopped")
        finally:
            await bus.close()


@asynccontextmanager
async def telling(multiplexer: Multiplexer, port: socket.socket | None) -> AsyncIterator[None]:
    """Tell on a port how a multiplexer is, if there is one."""
    if port is None:
        yield
        return
    logging.getLogger("multiplexer").info("tells how it is at %s:%d", *port.getsockname()[:2])
    server = status(multiplexer)
    serving = asyncio.create_task(server.serve(sockets=[port]))
    try:
        yield
    finally:
        server.should_exit = True
        await serving


def runner() -> Callable[[Coroutine[Any, Any, None]], None]:
    """Run on uvloop where there is one."""
    try:
        import uvloop  # noqa: PLC0415 -- not on every platform
    except ImportError:
        return asyncio.run
    return uvloop.run


def main() -> int:
    """Run; the exit code."""
    log.begin(os.environ)
    # It warns of every request that is none: whoever sends such could fill a disk.
    logging.getLogger("uvicorn").setLevel(logging.ERROR)
    try:
        settings = Settings.from_environment()
    except SettingsError as error:
        print(error, file=sys.stderr)  # noqa: T201 -- the one line an operator has to read
        return 2
    try:
        port = None if settings.status_port is None else bound(settings.host, settings.status_port)
    except OSError as error:
        print(f"cannot listen at {settings.host}:{settings.status_port}: {error.strerror}", file=sys.stderr)  # noqa: T201
        return 1
    with settings.watching.tracing("fluxwire-multiplexer") as traces:
        runner()(serve(settings, port=port, traces=traces))
    return 0


if __name__ == "__main__":
    sys.exit(main())
