"""Who holds what, with time given by hand."""

from broker.messages import Held
from multiplexer.holders import Holders


def test_a_lease_ends() -> None:
    """A store is held until the last lease on it has ended."""
    holders = Holders()
    holders.hold("f1", "a", 10)
    holders.hold("f2", "a", 20)
    assert holders.held("a", 9)
    assert holders.held("a", 15)
    assert not holders.held("a", 20)
    assert not holders.held("b", 0)


def test_a_renewal_is_the_whole_truth() -> None:
    """What a front does not name any more it does not hold."""
    holders = Holders()
    holders.renew("f1", ["a", "b"], 10)
    holders.renew("f1", ["b"], 10)
    assert not holders.held("a", 0)
    assert holders.held("b", 0)


def test_silent_fronts_are_forgotten() -> None:
    """A front that stopped renewing holds nothing, and is new when it comes back."""
    holders = Holders()
    holders.renew("f1", ["a"], 10)
    assert holders.stale("f1", [], "e", {}) == []
    holders.sweep(11)
    assert not holders.held("a", 0)
    assert holders.stale("f1", [Held("a", "e", 1)], "e", {"a": 2}) == ["a"]


def test_what_is_under_way_is_waited_for_once() -> None:
    """A known front that is behind is given until its next renewal; another epoch and a new front are not."""
    holders = Holders()
    assert holders.stale("f1", [Held("a", "e", 1)], "e", {"a": 2}) == ["a"]
    assert holders.stale("f1", [Held("a", "e", 2)], "e", {"a": 3}) == []
    assert holders.stale("f1", [Held("a", "e", 3)], "e", {"a": 5}) == []
    assert holders.stale("f1", [Held("a", "e", 4)], "e", {"a": 6}) == ["a"]
    assert holders.stale("f1", [Held("a", "old", 6)], "e", {"a": 6}) == ["a"]
    assert holders.stale("f1", [Held("a", "e", 6)], "e", {"a": 6}) == []
