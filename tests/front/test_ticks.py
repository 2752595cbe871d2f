from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from front.ticks import SLOT, SLOTS, Wheel


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
