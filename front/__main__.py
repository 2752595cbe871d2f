"""``python -m front``: read settings, wire, run until told to end."""

import asyncio
import importlib.util
import logging
import os
import secrets
import signal
import socket
import sys

from broker.redis_bus import RedisFrontBus

from .collector import settle
from .gates import TokenGate
from .http import application
from .hub import Hub
from .listener import listener, shared_port
from .server import Server
from .settings import BadSettings, Settings, read_settings

_logger = logging.getLogger("front")


async def run(settings: Settings, bound: socket.socket) -> None:
    """Run a front on a bound socket until SIGTERM or SIGINT; clients are then closed with 4200."""
    front = secrets.token_hex(8)
    gate = TokenGate(settings.key)
    bus = RedisFrontBus(settings.redis_url, settings.namespace, front)
    server = Server(hub=Hub(front=front), bus=bus, verify=gate.verify)
    http = application(server=server, gate=gate, web=settings.web, guests=settings.guests)
    port = listener(http=http, accept=server.accept)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, setattr, port, "should_exit", True)
    _logger.info("= front %s at %s:%d", front, *bound.getsockname()[:2])
    work = asyncio.create_task(server.run())
    serve = asyncio.create_task(port.serve(sockets=[bound]))
    settle()
    try:
        # A fault in either ends the process: whoever started it starts it again.
        await asyncio.wait([work, serve], return_when=asyncio.FIRST_COMPLETED)
    finally:
        port.should_exit = True
        await serve
        work.cancel()
        await asyncio.gather(work, return_exceptions=True)
        await bus.close()
    if not work.cancelled():
        work.result()


def main() -> int:
    """Run the process."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    # It warns of every request that is none: whoever sends such could fill a disk.
    logging.getLogger("uvicorn").setLevel(logging.ERROR)
    try:
        settings = read_settings(os.environ)
    except BadSettings as exc:
        print(exc, file=sys.stderr)  # noqa: T201 - for whoever started us
        return 2
    loop_factory = None
    if importlib.util.find_spec("uvloop") is not None:
        import uvloop  # noqa: PLC0415 - absent on Windows

        loop_factory = uvloop.new_event_loop
    try:
        bound = shared_port(settings.host, settings.port)
    except OSError as exc:
        print(f"cannot listen at {settings.host}:{settings.port}: {exc.strerror}", file=sys.stderr)  # noqa: T201
        return 1
    with bound, asyncio.Runner(loop_factory=loop_factory) as runner:
        runner.run(run(settings, bound))
    return 0


if __name__ == "__main__":
    sys.exit(main())
