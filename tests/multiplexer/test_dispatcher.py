"""Order and fate of actions, without a database."""

from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from broker.messages import Action, Outcome, Parcel, Renew
from multiplexer.dispatcher import FIRST_PAUSE, MAX_ATTEMPTS, MAX_LOSSES, Dispatcher, Job, Settled, identity
from multiplexer.engine import Result

OK = Result("ok", '"done"', None, None, None, None, "{}")
RETRY = Result("retry", None, "transient", "", None, None, "{}")


@dataclass(frozen=True, eq=False)
class Handed:
    """A delivery as a bus makes it."""

    parcel: Parcel
    attempts: int = 1
    appended_at: float = 0.0


def action(number: int, client: str = "c", lane: int = 0) -> Action:
    return Action(
        connection=1, actor="ada", claims="{}", client=client, lane=lane, number=number, name="do", params="{}"
    )


def handed(*actions: Action, front: str = "f1") -> Handed:
    return Handed(Parcel(front, list(actions)))


def numbers(batch: list[Job]) -> list[int]:
    return [job.action.number for job in batch]


def outcomes(settled: Settled) -> list[Outcome]:
    return [outcome for told in settled.outcomes.values() for outcome in told]


def test_batches_are_bounded_and_in_order() -> None:
    """Actions leave in the order they came, at most so many at once."""
    dispatcher = Dispatcher(batch=3)
    dispatcher.add([handed(*(action(n) for n in range(1, 6))), handed(action(6))])
    assert [numbers(dispatcher.next_batch(0)) for _ in range(3)] == [[1, 2, 3], [4, 5, 6], []]


def test_a_delivery_is_done_with_its_last_action() -> None:
    """A parcel is acknowledged only after the commit of everything in it."""
    dispatcher = Dispatcher(batch=2)
    delivery = handed(action(1), action(2), action(3))
    assert dispatcher.add([delivery]).done == []
    assert dispatcher.settle(dispatcher.next_batch(0), [OK, OK], 0).done == []
    assert dispatcher.settle(dispatcher.next_batch(0), [OK], 0).done == [delivery]


def test_a_delivery_without_actions_is_done_at_once() -> None:
    """Questions alone need no batch."""
    delivery = Handed(Parcel("f1", [Renew([])]))
    assert Dispatcher(batch=2).add([delivery]).done == [delivery]


def test_other_lanes_are_invalid() -> None:
    """There is only lane 0; the answer goes to the front that asked, and uses no batch."""
    dispatcher = Dispatcher(batch=2)
    settled = dispatcher.add([handed(action(1, lane=3), front="f9")])
    (outcome,) = settled.outcomes["f9"]
    assert (outcome.status, outcome.lane, outcome.error and outcome.error.code) == ("invalid", 3, "unknown_lane")
    assert dispatcher.next_batch(0) == []


def test_a_transient_fault_holds_its_client_back() -> None:
    """What met a transient fault waits with its client's later actions, then runs alone; nobody else waits."""
    dispatcher = Dispatcher(batch=3)
    dispatcher.add([handed(*(action(n) for n in range(1, 5)), action(1, client="d"))])
    settled = dispatcher.settle(dispatcher.next_batch(0), [OK, RETRY, RETRY], 0)
    assert [outcome.number for outcome in outcomes(settled)] == [1]
    dispatcher.add([handed(action(5))])
    assert [job.action.client for job in dispatcher.next_batch(0.05)] == ["d"]
    assert dispatcher.due() == FIRST_PAUSE
    assert dispatcher.next_batch(0.05) == []
    again = dispatcher.next_batch(FIRST_PAUSE)
    assert numbers(again) == [2]
    dispatcher.settle(again, [RETRY], 1)
    assert dispatcher.due() == 1 + 2 * FIRST_PAUSE
    dispatcher.settle(dispatcher.next_batch(2), [OK], 2)
    assert dispatcher.due() is None
    assert numbers(dispatcher.next_batch(2)) == [3, 4, 5]


def test_a_lock_held_by_a_stranger_refuses_nobody() -> None:
    """A batch rolled back by a fault that passes is run one by one, and what still meets it waits."""
    dispatcher = Dispatcher(batch=3)
    dispatcher.add([handed(action(1), action(1, client="d"))])
    dispatcher.failed(dispatcher.next_batch(0), 0, transient=True)
    alone = dispatcher.next_batch(0)
    dispatcher.failed(alone, 0, transient=True)
    assert [job.action.client for job in dispatcher.next_batch(0)] == ["d"]
    assert [(job.action.client, job.refusal) for job in dispatcher.next_batch(1)] == [("c", None)]


def test_a_batch_that_fails_is_run_one_by_one() -> None:
    """After a rollback of the whole each action runs alone, and one that fails alone is refused."""
    dispatcher = Dispatcher(batch=3)
    dispatcher.add([handed(action(1), action(2), action(3))])
    dispatcher.failed(dispatcher.next_batch(0), 0, transient=False)
    first = dispatcher.next_batch(0)
    assert numbers(first) == [1]
    dispatcher.settle(first, [OK], 0)
    second = dispatcher.next_batch(0)
    dispatcher.failed(second, 0, transient=False)
    again = dispatcher.next_batch(0)
    assert [(job.action.number, job.refusal) for job in again] == [(2, "failed")]
    dispatcher.settle(again, [OK], 0)
    assert [(job.action.number, job.refusal) for job in dispatcher.next_batch(0)] == [(3, None)]


def test_poison() -> None:
    """An action that took the database down three times in company runs alone, and once more ends as poison."""
    dispatcher = Dispatcher(batch=10)
    bad, good = action(1), action(1, client="d")
    for loss in range(MAX_LOSSES):
        dispatcher.add([handed(bad, good)])
        batch = dispatcher.next_batch(0)
        assert numbers(batch) == [1, 1], loss
        dispatcher.lost(batch)
        dispatcher.restart()
    dispatcher.add([handed(bad, good)])
    alone = dispatcher.next_batch(0)
    assert [identity(job.action) for job in alone] == [identity(bad)]
    dispatcher.lost(alone)
    dispatcher.restart()
    dispatcher.add([handed(bad, good)])
    refused = dispatcher.next_batch(0)
    assert [job.refusal for job in refused] == ["poison"]
    dispatcher.settle(refused, [OK], 0)
    innocent = dispatcher.next_batch(0)
    assert [(identity(job.action), job.refusal) for job in innocent] == [(identity(good), None)]


def test_what_is_in_hand_is_not_taken_twice() -> None:
    """A sweep that hands out what waits here for a stranger's lock neither doubles it nor makes it poison."""
    dispatcher = Dispatcher(batch=10)
    parcel = Parcel("f1", [action(1)])
    dispatcher.add([Handed(parcel)])
    dispatcher.settle(dispatcher.next_batch(0), [RETRY], 0)
    for attempts in range(2, MAX_ATTEMPTS + 3):
        assert dispatcher.add([Handed(parcel, attempts=attempts)]) == Settled()
    again = dispatcher.next_batch(10)
    assert [(job.action.number, job.refusal) for job in again] == [(1, None)]
    assert len(dispatcher.settle(again, [OK], 10).done) == 1
    assert dispatcher.next_batch(10) == []


def test_a_parcel_that_ends_multiplexers() -> None:
    """Handed out again and again its actions run alone; at last the first never applied is poison, alone."""
    dispatcher = Dispatcher(batch=10)
    parcel = Parcel("f1", [action(1), action(2), action(3)])
    dispatcher.add([Handed(parcel, attempts=MAX_LOSSES + 1)])
    assert [[(job.action.number, job.refusal) for job in dispatcher.next_batch(0)] for _ in range(3)] == [
        [(1, None)],
        [(2, None)],
        [(3, None)],
    ]
    dispatcher.restart()
    dispatcher.add([Handed(parcel, attempts=MAX_ATTEMPTS + 1)])
    refused = Result("refused", None, "poison", "", None, None, "{}")
    for number, refusal, result in ((1, "poison", OK), (2, "poison", refused), (3, None, OK)):
        batch = dispatcher.next_batch(0)
        assert [(job.action.number, job.refusal) for job in batch] == [(number, refusal)]
        dispatcher.settle(batch, [result], 0)


@given(st.lists(st.sampled_from(["ok", "retry", "failed", "transient", "lost"]), max_size=40), st.integers(1, 5))
def test_every_action_has_one_outcome_in_order(faults: list[str], size: int) -> None:
    """Whatever happens to batches, each client's actions settle in sequence and each delivery is done once."""
    dispatcher = Dispatcher(batch=size)
    deliveries = [handed(action(n, "a"), action(n, "b")) for n in range(1, 5)]
    pending = list(deliveries)
    dispatcher.add(pending)
    settled_numbers: dict[str, list[int]] = {"a": [], "b": []}
    done: list[object] = []
    for now, fault in enumerate(faults + ["ok"] * 100):
        batch = dispatcher.next_batch(10 * now)
        if not batch:
            break
        if fault in ("failed", "transient"):
            dispatcher.failed(batch, 10 * now, transient=fault == "transient")
        elif fault == "lost":
            dispatcher.lost(batch)
            dispatcher.restart()
            dispatcher.add([delivery for delivery in deliveries if delivery not in done])
        else:
            results = [RETRY] * len(batch) if fault == "retry" else [OK] * len(batch)
            settled = dispatcher.settle(batch, results, 10 * now)
            done += settled.done
            if fault == "ok":
                for job in batch:
                    known = settled_numbers[job.action.client]
                    if job.action.number not in known:
                        known.append(job.action.number)
    assert settled_numbers == {"a": [1, 2, 3, 4], "b": [1, 2, 3, 4]}
    assert len(done) == len(deliveries)
