"""Many connections with four stores each, under fifty updates a second, each of 760 clients, without growth."""

import time
from collections.abc import Iterator

from bench.figures import Figure, watched
from bench.harness import Options
from bench.processes import Shares
from bench.served import NEXT_STORE
from bench.sessions import request

from .crowd import ROOM, Crowd, subscribe
from .plan import Plan

ROOMS, STORES = 100, 4
SAMPLES = 60
RATE, RING_RATE = 50, 10  # updates a second; the latter of every store
FRAMES = 1 + 2 * STORES
"""That a client has read when it has come in: ``welcome``, and ``subscribed`` and a snapshot of each store."""


def hold(crowd: Crowd, plan: Plan, options: Options) -> Iterator[Figure]:
    """Hold, and look at memory and processor time all along."""
    seconds = options.seconds or plan.hold
    subscribes = [
        subscribe([f"{ROOM}{(STORES * number + offset) % ROOMS}" for offset in range(STORES)])
        for number in range(ROOMS)
    ]
    crowd.write("four", [request("/ws"), *crowd.hellos(*subscribes)])
    shares = Shares()
    with crowd.before("front") as (server, load):
        crowd.come(load, "four", FRAMES, connections=plan.hold_connections)
        # What stores keep of their updates fills up first: that is no growth.
        load.order(f"steady {plan.ring} 1 {RING_RATE}")
        load.order(f"steady {seconds / 20} {RATE} {NEXT_STORE}")
        size, begun, begin, frames = server.resident(), time.monotonic(), server.cost(), 0
        cores: list[tuple[float, float]] = []
        growth: list[tuple[float, float]] = []
        while (now := time.monotonic() - begun) < seconds:
            before = server.cost()
            with shares.counted(server.pid, load=load.pid):
                frames += load.order(f"steady {seconds / SAMPLES} {RATE} {NEXT_STORE}")["frames"]
            after = time.monotonic() - begun
            cores.append((after, server.cost().since(before).ran / (after - now)))
            growth.append((after, (server.resident() - size) / 1024))
        ran = server.cost().since(begin).ran
    options.say(f"  hold: {frames / after:,.0f} deliveries a second, {1e6 * ran / frames:.1f} us each, {shares}")
    yield shares.beside(watched("front.hold.core", cores, ran / after, "of a core", "<= 1"))
    yield shares.beside(watched("front.hold.growth_kb", growth, growth[-1][1], "KB", "<= 4096"))
