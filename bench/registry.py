"""``bench registry``: what it takes to know which front holds which store (``broker.registry``).

One front registers a million stores with keys of 64 bytes, on a Valkey of its own. A lookup is one of the
multiplexer's, for a batch of commits that changed sixty stores, among ten fronts: what it costs that process.
"""

import asyncio
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from redis import Redis  # noqa: TID251 -- asked for its memory

from broker.redis_bus import RedisFrontBus, RedisMultiplexerBus
from fluxwire.stack import binaries, process
from fluxwire.stack.valkey import Valkey

from .figures import Figure, alone
from .harness import Options
from .processes import SERVER_CORE, pinned

ENTRIES, QUICK_ENTRIES = 1_000_000, 20_000
FRONTS, STORES, LOOKUPS = 10, 60, 500
ROUNDS = 3


def run(options: Options) -> Iterator[Figure]:
    """Measure."""
    if not options.wants("registry.entry_bytes", "registry.find_us"):
        return
    with tempfile.TemporaryDirectory() as folder:
        server = Valkey(server=binaries.valkey(), socket=Path(folder) / "valkey.sock", log=Path(folder) / "log")
        child = process.start(server.program())
        try:
            process.wait_until(server.ready, 10.0)
            if options.wants("registry.entry_bytes"):
                entries = QUICK_ENTRIES if options.quick else ENTRIES
                values = [
                    asyncio.run(entry_bytes(server.url(), entries)) for _ in range(1 if options.quick else ROUNDS)
                ]
                yield alone("registry.entry_bytes", values, "bytes", "<= 100")
            if options.wants("registry.find_us"):
                with pinned(SERVER_CORE):
                    taken = asyncio.run(lookups(server.url()))
                yield alone("registry.find_us", taken, "us", "<= 1500")
        finally:
            process.ask(child, server.program())
            process.reap(child, server.program())


async def entry_bytes(url: str, entries: int) -> float:
    """What an entry takes in the server's memory, in bytes."""
    front = RedisFrontBus(url, "bench", "f", lease=3600.0)
    with Redis.from_url(url) as redis:
        before = memory(redis)
        await front.register([key(number) for number in range(entries)], [])
        after = memory(redis)
        redis.execute_command("FLUSHALL", "SYNC")
    await front.close()
    return (after - before) / entries


async def lookups(url: str) -> list[float]:
    """Processor time of a lookup, in microseconds, a value a round."""
    # Nobody renews anything here.
    fronts = [RedisFrontBus(url, "bench", f"f{number}", lease=3600.0) for number in range(FRONTS)]
    for number, front in enumerate(fronts):
        await front.register([key(number + FRONTS * place) for place in range(QUICK_ENTRIES)], [])
    multiplexer = RedisMultiplexerBus(url, "bench", "m")
    times = []
    for _ in range(ROUNDS):
        began = time.process_time()
        for batch in range(LOOKUPS):
            found = await multiplexer.find([key(batch * STORES + place) for place in range(STORES)])
            assert len(found.stores) == STORES
        times.append((time.process_time() - began) / LOOKUPS * 1e6)
    for front in fronts:
        await front.close()
    await multiplexer.close()
    return times


def key(number: int) -> str:
    """A store key of 64 bytes."""
    return f'board{{"board": "{number:046d}"}}'


def memory(redis: "Redis") -> int:
    """What the server holds, in bytes."""
    used = redis.info("memory")
    assert isinstance(used, dict)
    return int(used["used_memory"])
