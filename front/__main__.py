"""``python -m front``: read settings, wire, run until told to end."""

import asyncio
import importlib.util
import logging
import os
import secrets
import signal
import socket
import sys

from broker import log
from broker.redis_bus import RedisFrontBus
from broker.traces import Traces
from broker.trail import Trail

from .collector import settle
from .gates import TokenGate, Trust
from .http import application
from .hub import Hub
from .jwks import Jwks
from .listener import bound_port, listener
from .origins import Origins
from .proxies import Proxies
from .rules import Rules
from .server import Server
from .settings import BadSettings, Settings, read_settings

_logger = logging.getLogger("front")


async def run(settings: Settings, bound: socket.socket, traces: Traces | None) -> None:
    """Run a front on a bound socket until SIGTERM or SIGINT; it then sends its clients to other fronts, and ends."""
    front = secrets.token_hex(8)
    jwks = Jwks(settings.jwks_url, now=asyncio.get_running_loop().time) if settings.jwks_url else None
    trust = Trust(jwks, settings.audience, settings.issuer) if jwks is not None else None
    gate = TokenGate(settings.key, trust)
    bus = RedisFrontBus(settings.redis_url, settings.namespace, front, most=settings.most_parcels)
    rules = Rules(
        origins=Origins(settings.origins),
        cookie=settings.cookie,
        proxies=Proxies(settings.proxies),
        limits=settings.limits,
        guests=settings.guests,
    )
    hub = Hub(front=front, rules=rules, trail=Trail(_logger, slow=settings.watching.slow), traces=traces)
    server = Server(
        hub=hub, bus=bus, verify=gate.verify, rules=rules, pace=settings.pace, traces=traces, tick=settings.tick
    )
    http = application(server=server, gate=gate, web=settings.web, guests=settings.guests, metrics=settings.metrics)
    port = listener(http=http, accept=server.accept)
    loop = asyncio.get_running_loop()

    def end() -> None:
        # Whoever says it twice has lost patience.
        (server.hurry if server.told.is_set() else server.told).set()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, end)
    _logger.info("= front %s at %s:%d", front, *bound.getsockname()[:2])
    work = asyncio.create_task(server.run())
    serve = asyncio.create_task(port.serve(sockets=[bound]))

    async def depart() -> None:
        await server.told.wait()
        if settings.shared:
            # The system sends whoever comes now to those who share the port. Else somebody has to tell balancers.
            port.close_doors()
        else:
            _logger.info("= about to leave")
            await server.give_notice(settings.pace.notice)
        server.leave()
        _logger.info("= leaving, and %d clients with us", len(server.sockets))
        await server.dismiss(server.sockets)

    tasks = [work, asyncio.create_task(depart())]
    if jwks is not None:
        tasks.append(asyncio.create_task(jwks.run()))
    settle()
    try:
        # A fault in either ends the process: whoever started it starts it again.
        await asyncio.wait([serve, *tasks], return_when=asyncio.FIRST_COMPLETED)
    finally:
        port.should_exit = True
        await serve
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await bus.close()
    for task in tasks:
        if not task.cancelled():
            task.result()


def main() -> int:
    """Run the process."""
    log.begin(os.environ)
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
        bound = bound_port(settings.host, settings.port, shared=settings.shared)
    except OSError as exc:
        print(f"cannot listen at {settings.host}:{settings.port}: {exc.strerror}", file=sys.stderr)  # noqa: T201
        return 1
    with (
        bound,
        settings.watching.tracing("fluxwire-front") as traces,
        asyncio.Runner(loop_factory=loop_factory) as runner,
    ):
        runner.run(run(settings, bound, traces))
    return 0


if __name__ == "__main__":
    sys.exit(main())
