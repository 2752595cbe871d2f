import random

import pytest

from front.limits import BURST, Bucket, Ledger


def test_a_rate_holds_in_the_long_run() -> None:
    """Whoever asks as fast as they can gets the rate, and ten seconds' worth on top of it."""
    bucket, full_at, taken, now = Bucket(5), 0.0, 0, 0.0
    rng = random.Random(1)
    while now < 1_000:
        after = bucket.spend(full_at, now)
        if after is not None:
            full_at, taken = after, taken + 1
        now += rng.uniform(0, 0.1)
    assert taken == pytest.approx(5 * (1_000 + BURST), rel=0.001)


def test_within_the_rate_nobody_is_refused() -> None:
    """One in every interval is always there."""
    bucket, full_at = Bucket(4), 0.0
    for number in range(10_000):
        after = bucket.spend(full_at, number / 4)
        assert after is not None
        full_at = after


def test_no_limit() -> None:
    """0 is no limit, of either kind."""
    ledger = Ledger(0, 0)
    for _ in range(10_000):
        assert ledger.has_room("a")
        assert ledger.spend("a", 0.0)
        ledger.enter("a")


def test_each_has_its_own_room() -> None:
    """One who has used up theirs takes nothing from another, and has room again when one of theirs is gone."""
    ledger = Ledger(2, 1)
    ledger.enter("a")
    ledger.enter("a")
    assert not ledger.has_room("a")
    assert ledger.has_room("b")
    ledger.leave("a")
    assert ledger.has_room("a")


def test_nothing_is_kept_of_those_who_are_gone() -> None:
    """A crowd of addresses that each come once leaves nothing behind."""
    ledger = Ledger(10, 1)
    for number in range(100_000):
        who = str(number)
        assert ledger.spend(who, float(number))
        ledger.enter(who)
        ledger.leave(who)
    assert ledger._counts == {}
    assert len(ledger._full_at) <= 1_000
