"""``python -m multiplexer``: read the settings, wire, run until told to stop."""

import asyncio
import logging
import os
import signal
import sys
from collections.abc import Callable, Coroutine
from typing import Any

from broker import log
from broker.redis_bus import RedisMultiplexerBus

from .errors import SettingsError
from .loop import Multiplexer
from .settings import Settings


async def serve(settings: Settings) -> None:
    """Run one multiplexer until SIGTERM or SIGINT."""
    bus = RedisMultiplexerBus(settings.redis_url, settings.namespace, settings.name)
    running = asyncio.create_task(Multiplexer(settings, bus).run())
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, running.cancel)
    try:
        await running
    except asyncio.CancelledError:
        logging.getLogger("multiplexer").info("stopped")
    finally:
        await bus.close()


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
    try:
        settings = Settings.from_environment()
    except SettingsError as error:
        print(error, file=sys.stderr)  # noqa: T201 -- the one line an operator has to read
        return 2
    runner()(serve(settings))
    return 0


if __name__ == "__main__":
    sys.exit(main())
