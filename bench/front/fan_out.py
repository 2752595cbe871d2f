"""One update to all: a real front beside the floor and its peers.

All servers are up with all their connections, on one core, and take short turns under the same load generator on
another; what is counted is deliveries per second of the server's processor time, so that what others do on the machine
disturbs less. What may be disturbed all the same is told: how long the servers waited for their core.
"""

import contextlib
from collections.abc import Iterator
from functools import partial

from bench.contenders import CONTENDERS
from bench.figures import Figure, compared
from bench.harness import Options, in_turn
from bench.processes import Broken, Process, Shares

from .crowd import Crowd
from .plan import Plan

TICKS = {"fanout": 1, "tick10": 10}
"""How many updates a tick has, by the figure."""
TARGETS = {
    ("fanout", "c"): ">= 0.8",
    ("fanout", "node"): ">= 1.1",
    ("fanout", "socketio"): ">= 1.7",
    ("fanout", "ws"): ">= 1.1",
    ("fanout", "websockets"): ">= 1.1",
    ("fanout", "nchan"): ">= 1.1",
    ("fanout", "centrifugo"): ">= 1.1",
    ("tick10", "c"): ">= 0.8",
    ("tick10", "node"): ">= 1.1",
    ("tick10", "socketio"): ">= 12",
}
LAST = {"c": "<= 1.5", "socketio": "<= 0.8"}
"""Of the time until the last has an update, by whose it is compared with."""
FIGURES = (*(f"front.{tick}.vs_{peer}" for tick, peer in TARGETS), *(f"front.last_p99.vs_{peer}" for peer in LAST))

Up = dict[str, tuple[Process, Process]]
"""Servers and their load generators."""


def fan_out(crowd: Crowd, plan: Plan, options: Options) -> Iterator[Figure]:
    """One update a tick, ten updates a tick, and the time until the last has it."""
    wanted = {
        tick: [peer for on, peer in TARGETS if on == tick and options.wants(f"front.{tick}.vs_{peer}")]
        for tick in TICKS
    }
    last = [peer for peer in LAST if options.wants(f"front.last_p99.vs_{peer}")]
    peers = _there([peer for tick in TICKS for peer in wanted[tick]] + last, options)
    with contextlib.ExitStack() as stack:
        up = {name: stack.enter_context(crowd.before(name)) for name in ["front", *peers]}
        for name, (_, load) in up.items():
            crowd.come(load, CONTENDERS[name].session, CONTENDERS[name].frames)
        for tick, updates in TICKS.items():
            if sides := [peer for peer in wanted[tick] if peer in up]:
                yield from _compared(tick, updates, {name: up[name] for name in ("front", *sides)}, plan, options)
        if sides := [peer for peer in last if peer in up]:
            yield from _last({name: up[name] for name in ("front", *sides)}, plan)


def _there(names: list[str], options: Options) -> list[str]:
    """Those that can be measured here, each once."""
    there = []
    for name in dict.fromkeys(names):
        missing = CONTENDERS[name].missing()
        if missing is None:
            there.append(name)
        else:
            options.say(f"  not beside {CONTENDERS[name].title}: {missing}")
    return there


def _compared(tick: str, updates: int, up: Up, plan: Plan, options: Options) -> Iterator[Figure]:
    shares = {name: Shares() for name in up}

    def turn(name: str) -> float:
        server, load = up[name]
        before = server.cost()
        with shares[name].counted(server.pid, load=load.pid):
            answer = load.order(f"loop {plan.seconds} {updates}")
        if answer["frames"] != answer["expected"]:
            raise Broken(f"{name}: {answer}")
        rate: float = answer["frames"] / server.cost().since(before).ran
        return rate

    def say(name: str, rate: float) -> None:
        options.say(f"  {tick}: {name} {rate / 1000:,.0f} k/s")

    rates = in_turn({name: partial(turn, name) for name in up}, rounds=plan.turns, warm_up=1, say=say)
    for name in up:
        options.say(f"  {tick}: {name} {shares[name]}")
    for peer in up:
        if peer != "front":
            figure = compared(
                f"front.{tick}.vs_{peer}",
                rates["front"],
                "deliveries per core-second",
                peer=CONTENDERS[peer].title,
                peers=rates[peer],
                target=TARGETS[tick, peer],
            )
            yield shares["front"].beside(figure)


def _last(up: Up, plan: Plan) -> Iterator[Figure]:
    """Milliseconds until the last delivery of the slowest of several broadcasts."""

    def slowest(name: str) -> float:
        return 1000 * float(max(up[name][1].order(f"spaced {plan.ticks} 200")["seconds"]))

    taken = in_turn({name: partial(slowest, name) for name in up}, rounds=plan.rounds)
    for peer in up:
        if peer != "front":
            yield compared(
                f"front.last_p99.vs_{peer}",
                taken["front"],
                "ms",
                peer=CONTENDERS[peer].title,
                peers=taken[peer],
                target=LAST[peer],
            )
