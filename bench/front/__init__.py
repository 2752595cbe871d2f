"""``bench front``: a real front beside a C loop of send(), node, ws, Socket.IO 4, websockets, nchan, Centrifugo.

The front is behind a bus that answers by itself (``bench.served``): neither Redis nor Postgres is in its figures.
"""

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from bench.figures import Figure
from bench.harness import Options
from bench.processes import Broken

from .crowd import Crowd
from .fan_out import FIGURES, fan_out
from .hold import hold
from .memory import memory, memory_deflate, memory_events
from .plan import FULL, QUICK, Plan
from .storm import storm

PARTS: tuple[tuple[tuple[str, ...], Callable[[Crowd, Plan, Options], Iterator[Figure]]], ...] = (
    (FIGURES, fan_out),
    (("front.memory_kb", "front.idle_us_per_s", "front.collection_ms"), memory),
    (("front.memory_deflate_kb",), memory_deflate),
    (("front.memory_events.vs_websocket",), memory_events),
    (("front.sessions_per_s", "front.storm.vs_first", "front.storm.renders"), storm),
    (("front.hold.growth_kb", "front.hold.core"), hold),
)
"""What measures which figures."""


def run(options: Options) -> Iterator[Figure]:
    """Measure what is wanted."""
    plan = QUICK if options.quick else FULL
    with tempfile.TemporaryDirectory(prefix="fluxwire-bench-") as folder:
        most = max(plan.connections, plan.hold_connections)
        crowd = Crowd(connections=plan.connections, most=most, folder=Path(folder))
        broken = []
        for figures, measure in PARTS:
            if not options.wants(*figures):
                continue
            try:
                yield from measure(crowd, plan, options)
            except (Broken, OSError) as exc:  # the other parts are worth as much
                options.say(f"  {measure.__name__}: {exc}")
                broken.append(measure.__name__)
        if broken:
            raise Broken(f"not measured: {', '.join(broken)}")
