from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from front.ticks import EARNED_IN, SLOT, SLOTS, Rest, Wheel


@dataclass(eq=False)
class Item:
    at: float = 0.0
    slot: int | None = None


@given(
    st.floats(0, 1e6),
    st.lists(st.floats(0, SLOTS * 2.5), min_size=1, max_size=20),
    st.lists(st.floats(0.01, 40), min_size=1, max_size=40),
)
def test_everything_comes_round(start: float, deadlines: list[float], steps: list[float]) -> None:
    """An item is looked at when the wheel turns past its time: never before, if it is less than a turn away."""
    wheel: Wheel[Item] = Wheel(start)
    waiting = [Item(start + deadline) for deadline in deadlines]
    for item in waiting:
        wheel.put(item, item.at)
    now = start
    for step in steps:
        now += step
        for item in wheel.turn(now):
            if item.at <= now:
                waiting.remove(item)
            else:
                assert item.at - start > (SLOTS - 2) * SLOT, "only what is a whole turn away is looked at early"
                wheel.put(item, item.at)
        assert all(item.at > now - 2 * SLOT for item in waiting)


def test_an_item_is_in_one_place() -> None:
    """Who is put anew is looked at once, at the new time; who is removed, never."""
    wheel: Wheel[Item] = Wheel(0.0)
    moved, removed = Item(), Item()
    wheel.put(moved, 3.0)
    wheel.put(removed, 3.0)
    wheel.put(moved, 10.0)
    wheel.remove(removed)
    wheel.remove(removed)
    assert wheel.turn(5.0) == []
    assert wheel.turn(12.0) == [moved]
    assert moved.slot is None
    assert wheel.turn(200.0) == []


def test_the_past_is_the_next_turn() -> None:
    """A deadline that has passed is looked at with the next slot."""
    wheel: Wheel[Item] = Wheel(100.0)
    item = Item()
    wheel.put(item, 1.0)
    assert wheel.turn(100.0 + 2 * SLOT) == [item]


@pytest.mark.parametrize(
    ("took", "left"),
    [(0.0, 0.0), (EARNED_IN / 20, 0.0002 - EARNED_IN / 20), (EARNED_IN, 0.003), (3 * EARNED_IN, 0.001), (1.0, 0.0)],
)
def test_a_rest_is_as_long_as_it_was_earned(took: float, left: float) -> None:
    """One outcome earns next to nothing, a crowd the tick, and what took longer than that has rested already."""
    rest = Rest(0.004)
    assert rest.left(0.0) == 0.0
    rest.wrote(10.0, 10.0 + took)
    assert rest.left(10.0 + took) == pytest.approx(left, abs=1e-9)
    assert rest.left(10.004) == pytest.approx(0.0, abs=1e-9)


@given(st.floats(0, 1), st.floats(0, 1), st.floats(0, 1))
def test_writes_are_a_tick_apart_at_most(tick: float, took: float, more: float) -> None:
    """Counted from where they begin; and whoever took longer rests no shorter."""
    rest, longer = Rest(tick), Rest(tick)
    rest.wrote(0.0, took)
    longer.wrote(0.0, took + more)
    assert 0.0 <= rest.left(0.0) <= longer.left(0.0) <= tick
