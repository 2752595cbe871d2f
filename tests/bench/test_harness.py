from functools import partial

import msgspec
import pytest

from bench.figures import alone, compared, reaches
from bench.harness import Options, in_turn


def test_a_figure_alone() -> None:
    """Its value is the median, and its target is about it."""
    figure = alone("front.memory_kb", [4.0, 6.0, 5.0], "KB", "<= 5")
    assert (figure.value, figure.spread, figure.runs, figure.met) == (5.0, (4.0, 6.0), 3, True)
    assert not alone("front.memory_kb", [5.1], "KB", "<= 5").met


def test_a_figure_compared() -> None:
    """Rounds are compared each with its own: a machine that became slower for both changes nothing."""
    figure = compared("x", [80.0, 40.0], "per s", peer="c", peers=[100.0, 50.0], target=">= 0.8")
    assert (figure.value, figure.ratio, figure.spread, figure.met) == (60.0, 0.8, (0.8, 0.8), True)
    with pytest.raises(ValueError, match="zip"):
        compared("x", [1.0], "per s", peer="c", peers=[1.0, 2.0], target=">= 0.8")


def test_a_target_is_understood_or_refused() -> None:
    """A slip in a target is no target that is always met."""
    assert reaches(1.0, ">= 1")
    assert not reaches(1.1, "<= 1")
    with pytest.raises(ValueError, match="> 1"):
        reaches(2.0, "> 1")


def test_json_has_the_agreed_members() -> None:
    """Whoever reads ``--json`` finds these names."""
    members = "name value unit against ratio target met runs spread"
    assert " ".join(msgspec.to_builtins(alone("x", [1.0], "s", "<= 1"))) == members


def test_names_choose() -> None:
    """A group chooses all its figures, a figure itself, nothing everything."""
    assert Options().wants("front.memory_kb")
    assert Options(("front",)).wants("sql.x", "front.memory_kb")
    assert Options(("front.fanout",)).wants("front.fanout.vs_c")
    assert not Options(("front.fan",)).wants("front.fanout.vs_c")


def test_sides_take_turns() -> None:
    """There and back, so that no side is always the first; what warms up does not count."""
    order: list[str] = []

    def side(name: str) -> int:
        order.append(name)
        return len(order)

    measured = in_turn({name: partial(side, name) for name in "abc"}, rounds=2, warm_up=1)
    assert "".join(order) == "cbaabccba"
    assert measured == {"a": [4, 9], "b": [5, 8], "c": [6, 7]}
