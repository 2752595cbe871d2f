"""Whole sessions a second, and how fast all are back after all were cut."""

from collections.abc import Iterator

from bench.figures import Figure, alone, compared
from bench.harness import Options
from bench.processes import Shares
from bench.served import ASK_RENDERS, FIRST_VERSION
from bench.sessions import request

from .crowd import ROOM, Crowd, ask, subscribe
from .plan import Plan


def storm(crowd: Crowd, plan: Plan, options: Options) -> Iterator[Figure]:
    """A crowd comes, is cut off, and comes again."""
    crowd.write("resumed", [request("/ws"), *crowd.hellos(subscribe([ROOM], version=FIRST_VERSION))])
    rates: list[float] = []
    firsts: list[float] = []
    storms: list[float] = []
    renders: list[float] = []
    coming, again = Shares(), Shares()
    for _ in range(plan.rounds):
        with crowd.before("front") as (server, load):
            before = server.cost()
            with coming.counted(server.pid, load=load.pid):
                firsts.append(crowd.come(load, "front", 3))
            rates.append(plan.connections / server.cost().since(before).ran)
            load.order("cut")
            with again.counted(server.pid, load=load.pid):
                # Resumed: nothing follows `subscribed`, since they are at the current version.
                storms.append(crowd.come(load, "resumed", 2))
            options.say(f"  sessions: {rates[-1]:,.0f}/s; first {firsts[-1]:.2f} s, again {storms[-1]:.2f} s")
            renders.append(ask(load, server, ASK_RENDERS)["renders"])
    options.say(f"  sessions: {coming}; again: {again}")
    yield coming.beside(alone("front.sessions_per_s", rates, "per core-second", ">= 7000"))
    again_and_first = compared(
        "front.storm.vs_first", storms, "s", peer="as many first ones", peers=firsts, target="<= 1.5"
    )
    yield again.beside(again_and_first)
    yield alone("front.storm.renders", renders, "per store", "<= 1")
