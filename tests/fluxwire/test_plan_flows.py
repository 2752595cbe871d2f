"""What the model says happens a second, beside a simulation that does it one by one."""

import math
from dataclasses import dataclass

import msgspec
import pytest

from fluxwire.plan import units
from fluxwire.plan.flows import flows
from fluxwire.plan.rates import Parcels, batch_size, distinct, gap
from fluxwire.plan.workload import Workload
from multiplexer.settings import BATCH

from .simulated import Happened, simulate

USERS = 20


@dataclass(frozen=True)
class Case:
    rate: float
    rooms: int
    tick: float
    fixed: float
    each: float
    rooms_each: int = 1


CASES = {
    "hardly anything": Case(2.0, 50, 0.004, 0.004, 0.0001),
    "batches of one or two": Case(150.0, 10, 0.004, 0.005, 0.0003),
    "busy": Case(1500.0, 50, 0.004, 0.005, 0.0002),
    "as many as go": Case(5000.0, 100, 0.004, 0.004, 0.00013),
    "one room": Case(300.0, 1, 0.004, 0.005, 0.0003),
    "a long tick": Case(150.0, 50, 0.1, 0.005, 0.0003),
    "a long tick, busy": Case(700.0, 20, 0.04, 0.005, 0.0002),
    "several rooms each": Case(300.0, 40, 0.04, 0.005, 0.0003, rooms_each=5),
    "no tick": Case(400.0, 20, 0.0, 0.005, 0.0003, rooms_each=2),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_flows_are_those_of_a_simulation(case: Case) -> None:
    """Batches, what they change, parcels, writes and what is in them, each within an eighth."""
    seen = simulate(
        rate=case.rate,
        rooms=case.rooms,
        tick=case.tick,
        fixed=case.fixed,
        each=case.each,
        most=BATCH,
        users=USERS,
        rooms_each=case.rooms_each,
        count=3000,
    )
    found = units.read()
    postgres = msgspec.structs.replace(found.postgres, batch_seconds=case.fixed, action=case.each, update=0.0)
    # As many more users as there are rooms: each room has whole members then, and a user's share is the same.
    workload = Workload(
        users=USERS * case.rooms,
        rooms=case.rooms,
        members=USERS * case.rooms_each,
        rate=case.rate / case.rooms,
        tick=case.tick,
    )
    said = flows(workload, msgspec.structs.replace(found, postgres=postgres), 1)
    assert said.batches == pytest.approx(seen.batches / seen.seconds, rel=0.12)
    assert said.updates == pytest.approx(seen.updates / seen.seconds, rel=0.12)
    assert said.parcels == pytest.approx(seen.parcels / seen.seconds, rel=0.12)
    writes = (said.writes - said.actions) / workload.users
    assert writes == pytest.approx(seen.writes / USERS / seen.seconds, rel=0.12)
    assert said.joined == pytest.approx(seen.read / seen.writes, rel=0.12)


def test_the_simulation_loses_nothing() -> None:
    """What is compared with is right itself: every action is in a batch, and everybody reads what was said to him."""
    seen: Happened = simulate(
        rate=100.0, rooms=1, tick=0.01, fixed=0.005, each=0.0, most=7, users=3, rooms_each=1, count=500
    )
    assert seen.read == 3 * 500
    assert seen.batches >= math.ceil(500 / 7)
    assert seen.updates == seen.batches


def test_formulas_at_their_ends() -> None:
    """Without load a batch has one action and a write follows each; with too much a batch is full."""

    def of(actions: float) -> Parcels:
        return Parcels(actions, fronts=1, tick=0.004, most=64)

    assert batch_size(of(1e-6), lambda _: 1.0, most=60) == pytest.approx(1, abs=1e-5)
    assert batch_size(of(1e9), lambda size: 1.0 + size, most=60) == 60
    assert gap(10.0, apart=0.0, tick=0.0) == pytest.approx(0.1)
    assert gap(10.0, apart=0.1, tick=0.01) == pytest.approx(0.1)
    assert gap(1e9, apart=0.0, tick=0.04) == pytest.approx(0.04)
    assert distinct(1.0, 60) == 1
    assert distinct(1e9, 60) == pytest.approx(60)
