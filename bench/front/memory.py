"""What a subscribed connection occupies, and what it costs while nothing happens."""

import mmap
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

from bench.figures import Figure, alone, compared
from bench.harness import Options, in_turn
from bench.processes import Process, Shares
from bench.served import ASK_COLLECTION
from bench.sessions import posted, request

from .crowd import ROOM, Crowd, ask, subscribe, subscription
from .plan import Plan

COLLECTIONS = 3


def memory(crowd: Crowd, plan: Plan, options: Options) -> Iterator[Figure]:
    """Of connections on WebSockets that are told nothing."""
    shares = Shares()
    with _held(crowd, "front", options) as (server, load, size):
        collections = [1000 * ask(load, server, ASK_COLLECTION)["seconds"] for _ in range(COLLECTIONS)]
        cost = server.cost()
        with shares.counted(server.pid, load=load.pid):
            load.order(f"hold {plan.idle}")
        ran = server.cost().since(cost).ran
    yield alone("front.collection_ms", collections, "ms", "<= 40")
    yield shares.beside(alone("front.idle_us_per_s", [1e6 * ran / plan.connections / plan.idle], "us/s", "<= 1"))
    yield alone("front.memory_kb", [size], "KB", "<= 5")


def memory_deflate(crowd: Crowd, plan: Plan, options: Options) -> Iterator[Figure]:
    """The same with permessage-deflate negotiated."""
    crowd.write("deflate", [request("/ws", deflate=True), *crowd.hellos(subscribe([ROOM]))])
    sizes = [_size(crowd, "deflate", options) for _ in range(plan.sizes)]
    yield alone("front.memory_deflate_kb", sizes, "KB", "<= 6")


def memory_events(crowd: Crowd, plan: Plan, options: Options) -> Iterator[Figure]:
    """What a subscriber who takes server-sent events occupies, beside one on a WebSocket."""
    say = '[{"type":"hello","protocols":[1],"token":"%s","client":"%016x"},%s]'
    room = subscription([ROOM])
    asks = [posted("/events", say % (token, number, room)) for number, token in enumerate(crowd.tokens)]
    crowd.write("events", [b"", *asks])
    sides = {session: partial(_size, crowd, session, options) for session in ("events", "front")}
    sizes = in_turn(sides, rounds=plan.sizes)
    yield compared(
        "front.memory_events.vs_websocket",
        sizes["events"],
        "KB",
        peer="one on a WebSocket",
        peers=sizes["front"],
        target="<= 2",
    )


def _size(crowd: Crowd, session: str, options: Options) -> float:
    with _held(crowd, session, options) as (_, _, size):
        return size


@contextmanager
def _held(crowd: Crowd, session: str, options: Options) -> Iterator[tuple[Process, Process, float]]:
    """Many connections of a kind, and how many KB each occupies."""
    with crowd.before("front") as (server, load):
        # What the first ones make is there for all.
        crowd.come(load, session, 3, connections=100)
        load.order("cut")
        before = server.resident()
        crowd.come(load, session, 3)
        # A few connections may fit in what was there: less than a page is not seen.
        grown = max(server.resident() - before, mmap.PAGESIZE)
        size = grown / 1024 / crowd.connections
        options.say(f"  {session}: {size:.2f} KB")
        yield server, load, size
