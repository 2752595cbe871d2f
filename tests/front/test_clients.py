from broker.messages import Action
from front.clients import MOST_PATIENCE, MOST_UNANSWERED, MOST_UNANSWERED_BYTES, PATIENCE, Unanswered


def action(number: int, *, lane: int = 0, params: str = "{}") -> Action:
    return Action(1, "ada", "{}", "c", lane, number, "n", params)


def test_actions_wait_in_order() -> None:
    """What is sent again is sent in the order it came."""
    unanswered = Unanswered()
    for number in (3, 1, 2):
        unanswered.add(action(number), 0.0)
    assert unanswered.answer(0, 1, 0.0)
    assert [a.number for a in unanswered.again(0.0)] == [3, 2]


def test_an_outcome_counts_once() -> None:
    """A second outcome of an action is not passed on; a number sent twice is owed two."""
    unanswered = Unanswered()
    unanswered.add(action(1), 0.0)
    unanswered.add(action(1), 0.0)
    assert [unanswered.answer(0, 1, 1.0) for _ in range(3)] == [(action(1), 0.0, None), (action(1), 0.0, None), None]
    assert not unanswered


def test_lanes_are_apart() -> None:
    """The same number of another lane is another action."""
    unanswered = Unanswered()
    unanswered.add(action(1, lane=1), 0.0)
    assert not unanswered.answer(0, 1, 0.0)
    assert not unanswered.waits_before(0, 2)
    assert unanswered.waits_before(1, 2)
    assert not unanswered.waits_before(1, 1)


def test_patience_grows_while_nothing_is_answered() -> None:
    """Silence is met by sending again, less and less often; an answer starts the count anew."""
    unanswered = Unanswered()
    assert not unanswered.overdue(1e9)
    unanswered.add(action(1), 100.0)
    unanswered.add(action(2), 100.0)
    now, waits = 100.0, []
    for _ in range(5):
        wait = next(wait for wait in range(100) if unanswered.overdue(now + wait))
        waits.append(wait)
        now += wait
        unanswered.again(now)
    assert waits == [PATIENCE, 10, 20, 40, 60]
    unanswered.answer(0, 1, now)
    assert unanswered.overdue(now + PATIENCE)
    assert not unanswered.overdue(now + MOST_PATIENCE - 1, moving=True)
    assert unanswered.overdue(now + MOST_PATIENCE, moving=True)


def test_full_by_number_or_weight() -> None:
    """§6, busy: there is a limit to how many and how much, and an outcome makes room."""
    for params, most in ("{}", MOST_UNANSWERED), ("x" * (MOST_UNANSWERED_BYTES // 8), 8):
        unanswered = Unanswered()
        for number in range(most):
            assert unanswered.admits(0, number, room=True)
            unanswered.add(action(number, params=params), 0.0)
        assert not unanswered.admits(0, most, room=True)
        unanswered.answer(0, 0, 0.0)
        assert unanswered.admits(0, most, room=True)


def test_behind_a_refused_one_all_are_refused() -> None:
    """§4: what comes behind a number that found no room would be a gap; the lane goes on where it was refused."""
    unanswered = Unanswered()
    assert not unanswered.admits(0, 5, room=False)
    assert not unanswered.admits(0, 6, room=True)
    assert unanswered.admits(1, 6, room=True)
    assert unanswered.admits(0, 5, room=True)
    assert unanswered.admits(0, 6, room=True)


def test_who_has_left_is_traced_no_further() -> None:
    """The spans of actions end with their connection: an outcome will find nobody."""
    ended: list[dict[str, str | int]] = []

    class Span:
        context = "00-"

        def end(self, **facts: str | int) -> None:
            ended.append(facts)

    unanswered = Unanswered()
    unanswered.add(action(1), 0.0, Span())
    unanswered.add(action(2), 0.0)
    unanswered.abandon()
    assert ended == [{"status": "gone"}]
