"""Speaking to fronts by the bus, as the multiplexer does: what several commands share."""

from __future__ import annotations

import argparse
import asyncio
import os
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

from broker.errors import BadAddress, BusLost
from broker.redis_bus import RedisMultiplexerBus
from fluxwire.stack import account, state
from fluxwire.stack.errors import StackError
from fluxwire.stack.folder import choose

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Bus:
    """Where the fronts are, and a way to them."""

    url: str
    namespace: str
    multiplexer: RedisMultiplexerBus


def on_bus(args: argparse.Namespace, name: str, work: Callable[[Bus], Awaitable[T]]) -> T:
    """Do something on the bus of REDIS_URL, or of the running stack.

    Args:
        args: Of the command line.
        name: As who.
        work: What to do.

    Raises:
        StackError: Redis cannot be reached.

    """
    url = os.environ.get("REDIS_URL") or state.running(choose(args.data, account.for_postgres())).redis_url
    namespace = os.environ.get("FLUXWIRE_NAMESPACE") or "fluxwire"

    async def run() -> T:
        bus = RedisMultiplexerBus(url, namespace, name)
        try:
            return await work(Bus(url, namespace, bus))
        finally:
            await bus.close()

    try:
        return asyncio.run(run())
    except (BusLost, BadAddress) as exc:
        raise StackError("Redis cannot be reached.", str(exc)) from exc
