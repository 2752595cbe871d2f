from typing import TypeVar

import pytest
from msgspec import Raw

from broker.bus import Missed
from broker.messages import (
    Action,
    Commit,
    Denied,
    Error,
    Fetch,
    Gone,
    Held,
    Lead,
    MultiplexerMessage,
    Open,
    Opened,
    Outcome,
    Recheck,
    Renew,
    Renewed,
    Snapshot,
    Update,
)
from broker.registry import RENEW
from front.clients import MOST_UNANSWERED
from front.frames import Dispatch, StoreRequest, Subscribe, websocket_frame
from front.gates import Identity
from front.hub import FRESH, PARCEL, PARCEL_BYTES, Hub
from front.limits import Limits
from front.rules import Rules
from front.runs import runs
from front.stores import COMPARED, GRACE, ON_ITS_WAY, PATIENCE

from .truth import snapshot_frame, update_frame
from .wire import Letterbox, carry, texts
from .world import Simulated, World

T = TypeVar("T")


def settled(*names: str, clients: int = 1) -> tuple[World, list[Simulated]]:
    """A world in which each client holds these stores, and all is said."""
    world = World()
    simulated = [world.connect() for _ in range(clients)]
    for client in simulated:
        for name in names:
            world.subscribe(client, name)
    world.talk()
    world.asked.clear()
    return world, simulated


def commit(*keys: str, version: int) -> Commit:
    """A commit that brought these stores to a version, one further."""
    return Commit(
        [Update(key, "1", version - 1, version, update_frame(key, "1", version - 1, version)) for key in keys]
    )


def asked(world: World, kind: type[T]) -> list[T]:
    """What the hub has asked of a kind since the last look."""
    world.carry()
    found: list[T] = [message for message in world.asked if isinstance(message, kind)]
    world.asked.clear()
    return found


def test_a_crowd_costs_one_question_and_one_snapshot() -> None:
    """A store is opened and fetched once, however many want it at the same time or after."""
    world = World()
    crowd = [world.connect(f"actor {number}") for number in range(50)]
    for client in crowd:
        world.subscribe(client, "a")
    world.talk()
    late = world.connect()
    world.subscribe(late, "a")
    assert [type(message) for message in world.asked] == [Open, Fetch]
    assert all(client.documents["a{}"].version == 0 for client in [*crowd, late])


def test_an_update_is_one_object_for_all() -> None:
    """Bytes are made once: every holder is handed the same frame."""
    world, clients = settled("a", clients=20)
    world.commit("a")
    world.hub.take(world.shared.popleft(), world.now)
    assert carry(world.hub) == len(clients)
    written = [data for client in clients for data in client.box.empty()]
    assert len(written) == len(clients)
    assert len({id(data) for data in written}) == 1


def test_a_commit_of_several_stores_is_announced_to_who_holds_several() -> None:
    """§5: how many belong together depends on what a client holds; one alone is not announced."""
    world, (both, one) = settled("a", clients=2)
    world.subscribe(both, "b")
    world.talk()
    world.commit("a", "b", "c")
    world.talk()
    assert (both.together, one.together) == ([["a{}", "b{}"]], [])
    assert one.documents["a{}"].version == 1


def test_a_blocked_client_costs_nothing_and_catches_up() -> None:
    """Promise 7: nothing of stores is queued for it; when it drains it gets what it missed, together."""
    world, (slow, quick) = settled("a", "b", clients=2)
    world.hub.blocked(slow.client)
    for _ in range(3):
        world.commit("a")
    world.commit("b")
    world.talk()
    assert quick.documents["a{}"].version == 3
    assert slow.documents["a{}"].version == 0
    world.hub.drained(slow.client, world.now)
    world.flush()
    assert (slow.documents["a{}"].version, slow.documents["b{}"].version) == (3, 1)
    assert slow.together == [["a{}", "b{}"]], "one update a store, whatever it missed"
    assert asked(world, Fetch) == []


def test_a_client_blocked_in_the_middle_of_a_tick() -> None:
    """It has been given what came before, though it is not written yet; what comes after is held back."""
    world, (slow, other) = settled("a", clients=2)
    for version in range(2):
        world.commit("a")
        world.hub.take(world.shared.popleft(), world.now)
        if version == 0:
            world.hub.blocked(slow.client)
    world.flush()
    assert (slow.documents["a{}"].version, other.documents["a{}"].version) == (1, 2)
    world.hub.drained(slow.client, world.now)
    world.flush()
    assert slow.documents["a{}"].version == 2


def test_who_comes_in_the_middle_of_a_tick() -> None:
    """What others are about to get is in the snapshot already."""
    world, (client, other) = settled("a", clients=2)
    world.unsubscribe(client, 1)
    world.ticking = True
    world.commit("a")
    world.hub.take(world.shared.popleft(), world.now)
    world.subscribe(client, "a", resume=True)
    world.ticking = False
    world.flush()
    assert (client.documents["a{}"].version, other.documents["a{}"].version) == (1, 1)


def test_a_crowd_of_two_stores_shares_its_bytes() -> None:
    """Promise 6: a commit of several stores is joined once for all who hold the same of them."""
    world, clients = settled("a", "b", clients=20)
    one = world.connect()
    world.subscribe(one, "b")
    world.talk()
    world.commit("a", "b")
    world.hub.take(world.shared.popleft(), world.now)
    carry(world.hub)
    written = [data for client in clients for data in client.box.empty()]
    assert len({id(data) for data in written}) == 1
    assert [frame["type"] for frame in texts(written[0])] == ["commit", "update", "update"]
    assert [frame["type"] for frame in texts(one.box.empty()[0])] == ["update"]


def test_who_may_read_only_one_of_two_stores_yet() -> None:
    """§5: what is asked about stays behind; the rest does not wait for it, nor for a snapshot that has to come."""
    world, (client,) = settled("a", "b")
    world.hub.blocked(client.client)
    world.hub.take(Recheck("a"), world.now)
    world.commit("a", "b")
    while world.shared:
        world.hub.take(world.shared.popleft(), world.now)
    world.hub.drained(client.client, world.now)
    world.flush()
    assert (client.documents["a{}"].version, client.documents["b{}"].version) == (0, 1)
    world.talk()
    assert client.documents["a{}"].version == 1


def test_outcomes_reach_a_blocked_client() -> None:
    """Only frames of stores are held back."""
    world, (slow,) = settled("a")
    world.hub.blocked(slow.client)
    world.dispatch(slow, "a")
    world.talk()
    assert [outcome["stores"] for outcome in slow.outcomes] == [{"a{}": 1}]


def test_a_client_that_was_blocked_beyond_the_ring_gets_a_snapshot() -> None:
    """Its backlog collapses; the snapshot is asked for once."""
    world, (slow,) = settled("a")
    world.hub.blocked(slow.client)
    for version in range(100):
        frame = update_frame("a{}", "1", version, version + 1) + b" " * 2_000
        world.hub.take(Commit([Update("a{}", "1", version, version + 1, frame)]), world.now)
    world.truth.versions["a{}"] = 100
    world.hub.drained(slow.client, world.now)
    world.flush()
    assert asked(world, Fetch) == [Fetch("a{}")]
    world.talk()
    assert slow.documents["a{}"].version == 100


@pytest.mark.parametrize("keys", [["a{}"], ["a{}", "b{}"]], ids=["alone", "with another store"])
def test_an_update_that_overtook_another_follows_it(keys: list[str]) -> None:
    """A foreign commit may be heard of before the batch it builds upon: nobody waits for a snapshot then."""
    world, (client,) = settled("a", "b")
    world.hub.take(commit("a{}", version=2), world.now)
    world.hub.take(commit(*keys, version=1), world.now)
    world.flush()
    assert {key: document.version for key, document in client.documents.items()} == {"a{}": 2, "b{}": len(keys) - 1}


def test_a_resume_within_the_ring_asks_nobody() -> None:
    """§3: who comes back to a warm store continues where it was, without the database."""
    world, (client, _) = settled("a", clients=2)
    world.unsubscribe(client, 1)
    world.commit("a")
    world.commit("a")
    world.talk()
    world.subscribe(client, "a", resume=True)
    assert client.documents["a{}"].version == 2
    assert world.asked == []


def test_a_resume_beyond_our_version_waits_for_a_newer_one() -> None:
    """Another front was ahead: a client is never taken back in time."""
    world, (client, _) = settled("a", clients=2)
    world.unsubscribe(client, 1)
    client.old["a{}"].version = 1
    world.commit("a")
    world.subscribe(client, "a", resume=True)
    assert client.keys == {2: ""}
    world.talk()
    assert client.documents["a{}"].version == 1


def test_a_resume_that_lies_is_served_all_the_same() -> None:
    """Who claims a version that never was is not waited for without end."""
    world, (liar,) = settled("a")
    world.unsubscribe(liar, 1)
    liar.old["a{}"].version = 10**9
    world.subscribe(liar, "a", resume=True)
    liar.old.clear()
    world.talk()
    assert liar.documents["a{}"].version == 0
    assert asked(world, Fetch) == [Fetch("a{}")]


def test_the_second_id_of_a_store_shares_it() -> None:
    """§3: when the key is held already nothing follows, and it is held until the last id is gone."""
    world, (client,) = settled("a")
    world.subscribe(client, "a", number=2)
    world.unsubscribe(client, 1)
    world.commit("a")
    world.talk()
    assert client.keys == {2: "a{}"}
    assert client.documents["a{}"].version == 1


def test_an_id_in_use() -> None:
    """§3: a used id closes with 4001."""
    world, (client,) = settled("a")
    world.subscribe(client, "b", number=1)
    assert client.client.failed == "id 1 is in use"


def test_an_unsubscribe_before_the_answer() -> None:
    """Who no longer wants it is not told, whether the key or the snapshot was waited for; its id is free."""
    world = World()
    client = world.connect()
    for _ in range(2):
        number = world.subscribe(client, "a")
        world.unsubscribe(client, number)
        world.carry()
        world.hear(world.own)
    world.subscribe(client, "b", number=1)
    world.carry()
    world.hear(world.own)
    world.unsubscribe(client, 1)
    world.unsubscribe(client, 77)
    world.talk()
    assert (client.keys, client.documents, client.refused) == ({}, {}, [])


def test_a_denial_reaches_who_asked() -> None:
    """§3: the error names the id, and the id is free again."""
    world = World()
    client = world.connect()
    world.subscribe(client, "a")
    parcel = world.hub.parcel()
    assert parcel is not None
    (question,) = parcel.messages
    assert isinstance(question, Open)
    world.hub.take(Denied(question.request, Error("forbidden", "You may not read this store.")), world.now)
    world.flush()
    error = {"code": "forbidden", "message": "You may not read this store."}
    assert client.refused == [{"type": "unsubscribed", "id": 1, "error": error}]
    world.subscribe(client, "a", number=1)
    assert client.client.failed is None


def test_a_store_that_is_gone() -> None:
    """Every holder and everyone who waits is told, per id, and it can be asked for again."""
    world, (holder, waiting) = settled("a", clients=2)
    world.subscribe(holder, "a", number=2)
    world.subscribe(holder, "b", number=3)
    world.truth.forbidden.add("b{}")
    world.hub.take(Gone("a{}", Error("forbidden", "no")), world.now)
    world.subscribe(waiting, "b", number=5)
    world.talk()
    assert sorted(frame["id"] for frame in holder.refused) == [1, 2, 3]
    assert sorted(frame["id"] for frame in waiting.refused) == [1, 5]
    world.subscribe(holder, "a")
    world.talk()
    assert holder.documents["a{}"].version == 0


def test_a_question_without_an_answer_is_asked_again() -> None:
    """The road may lose anything."""
    world = World()
    client = world.connect()
    world.subscribe(client, "a")
    world.lose_parcels()
    world.pass_time(PATIENCE)
    assert asked(world, Open) != []
    world.hear(world.own)
    world.lose_parcels()
    world.pass_time(PATIENCE)
    assert asked(world, Fetch) == [Fetch("a{}")]


def test_after_a_loss_everything_is_asked_again() -> None:
    """A bus that comes back empty is filled with what has no answer yet, in order, and with nothing twice."""
    world, (client,) = settled("a")
    world.dispatch(client, "a")
    world.subscribe(client, "b")
    world.hub.bus_lost()
    world.dispatch(client, "a")
    world.subscribe(client, "c")
    assert not world.hub.has_messages
    world.hub.bus_returned(world.now)
    world.carry()
    actions = [message.number for message in world.asked if isinstance(message, Action)]
    questions = [message.name for message in world.asked if isinstance(message, Open)]
    assert (actions, questions) == ([1, 2], ["b", "c"])


def test_actions_are_sent_again_until_they_are_answered() -> None:
    """Promise 2: in order; the outcome of a copy is dropped."""
    world, (client,) = settled("a")
    for _ in range(3):
        world.dispatch(client, "a")
    world.lose_parcels()
    world.pass_time(5.0)
    world.pass_time(10.0)
    assert [action.number for action in asked(world, Action)] == [1, 2, 3, 1, 2, 3]
    world.talk()
    assert [outcome["number"] for outcome in client.outcomes] == [1, 2, 3]
    assert world.truth.versions["a{}"] == 3


def test_a_gap_that_the_bus_made_is_mended() -> None:
    """A client is not told of a gap as long as we hold what is missing; it is sent again at the next look."""
    world, (client,) = settled("a")
    world.dispatch(client, "a")
    world.lose_parcels()
    world.dispatch(client, "a")
    world.talk()
    assert client.outcomes == []
    world.pass_time(0.25)
    world.talk()
    assert [(outcome["number"], outcome["status"]) for outcome in client.outcomes] == [(1, "ok"), (2, "ok")]


def test_a_gap_that_the_client_made_is_told() -> None:
    """§6, number_gap."""
    world, (client,) = settled()
    world.dispatch(client)
    client.sent = 4
    world.dispatch(client)
    world.talk()
    assert [outcome["number"] for outcome in client.outcomes] == [1, 5]
    assert client.outcomes[1]["error"]["code"] == "number_gap"


def test_a_client_that_is_not_known_is_told() -> None:
    """§6, client_expired."""
    world, (client,) = settled()
    client.sent = 4
    world.dispatch(client)
    world.talk()
    assert [(outcome["number"], outcome["error"]["code"]) for outcome in client.outcomes] == [(5, "client_expired")]


def test_too_many_actions() -> None:
    """§6, busy: beyond the limit an action is not tried, and room is made by outcomes."""
    world, (client,) = settled()
    for _ in range(MOST_UNANSWERED + 1):
        world.dispatch(client)
    (refused,) = client.outcomes
    assert (refused["number"], refused["status"], refused["error"]["code"]) == (MOST_UNANSWERED + 1, "invalid", "busy")
    world.talk()
    client.sent -= 1
    world.dispatch(client)
    world.talk()
    assert client.outcomes[-1]["number"] == MOST_UNANSWERED + 1
    assert client.outcomes[-1]["status"] == "ok"


def test_outcomes_name_what_the_client_holds() -> None:
    """§4: touched stores that the client does not hold are none of its business."""
    world, (client,) = settled("a")
    world.dispatch(client, "a", "b")
    world.talk()
    assert client.outcomes[0]["stores"] == {"a{}": 1}


def test_an_outcome_for_somebody_gone() -> None:
    """Actions of a closed connection went out once, and their outcomes concern nobody."""
    world, (client,) = settled("a")
    world.dispatch(client, "a")
    world.close(client)
    world.talk()
    world.hub.take(Outcome(99, 0, 1, "ok", None, None, {}), world.now)
    world.pass_time(100.0)
    assert world.truth.versions["a{}"] == 1
    assert asked(world, Action) == [Action(1, "ada", '{"sub":"ada"}', "client 0", 0, 1, "a", "{}")]


def test_parcels_are_capped_and_in_order() -> None:
    """Whatever gathers is cut into parcels, in the order it came."""
    world, (client,) = settled()
    for _ in range(2 * PARCEL + 1):
        world.dispatch(client)
    parcels = [world.hub.parcel() for _ in range(4)]
    lengths = [len(parcel.messages) if parcel else 0 for parcel in parcels]
    assert lengths == [PARCEL, PARCEL, 1, 0]


def test_renewals() -> None:
    """Every two seconds, at once for a new leader, even if nothing is held; without a snapshot at no epoch."""
    world = World()
    world.pass_time(0.0)
    world.pass_time(RENEW - 0.25)
    assert asked(world, Renew) == [Renew([])]
    client = world.connect()
    world.subscribe(client, "a")
    world.carry()
    world.hear(world.own)
    world.asked.clear()
    world.hub.take(Lead(2), world.now)
    assert asked(world, Renew) == [Renew([])]
    world.hear(world.own)
    world.hub.take(Lead(3), world.now)
    assert asked(world, Renew) == [Renew([Held("a{}", "1", 0)])]
    world.pass_time(0.25)
    assert asked(world, Renew) == []


def test_each_store_is_compared_in_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    """A renewal names some of many stores, and each is named within so many renewals; a new leader hears of all."""
    for name, value in {"COMPARED": 4, "COMPARED_WITHIN": 5, "COMPARED_AT_ONCE": 10}.items():
        monkeypatch.setattr(f"front.stores.{name}", value)
    count = 31
    world, _ = settled(*(f"s{number}" for number in range(count)))
    world.pass_time(RENEW)
    asked(world, Renew)
    world.hub.take(Lead(2), world.now)
    assert [len(renewal.held) for renewal in asked(world, Renew)] == [10, 10, 10, 1]
    named: set[str] = set()
    for _ in range(5):
        world.pass_time(RENEW)
        (renewal,) = asked(world, Renew)
        assert len(renewal.held) <= 7
        named.update(held.key for held in renewal.held)
    assert len(named) == count


def test_a_renewal_brings_what_was_missed() -> None:
    """A lost update on a quiet store is noticed by its version."""
    world, (client,) = settled("a")
    world.commit("a")
    world.shared.clear()
    world.pass_time(RENEW)
    world.talk()
    assert client.documents["a{}"].version == 0, "it may be on its way"
    world.pass_time(ON_ITS_WAY)
    world.talk()
    assert client.documents["a{}"].version == 1


def test_a_new_epoch_is_looked_for_at_once() -> None:
    """Nothing leads to another epoch: what is of an old one is fetched without waiting, whatever else is held too."""
    names = [f"s{number}" for number in range(COMPARED + 1)]
    world, (client,) = settled(*names)
    world.begin_epoch()
    world.pass_time(RENEW)
    world.talk()
    assert {document.epoch for document in client.documents.values()} == {"2"}


def test_what_was_missed_is_asked_for_again() -> None:
    """Where messages are missing everything without an answer is asked again, and all stores are compared."""
    world, (client,) = settled("a")
    world.subscribe(client, "b")
    world.dispatch(client, "a")
    world.lose_parcels()
    world.hub.take(Missed(), world.now)
    world.carry()
    kinds = {type(message) for message in world.asked}
    assert kinds == {Action, Open, Renew}
    world.talk()
    assert world.truth.versions["a{}"] == 1
    assert set(client.documents) == {"a{}", "b{}"}


def test_a_full_bus_makes_clients_wait() -> None:
    """While the bus is full no action is taken, and nothing piles up; behind a refused number all are refused."""
    world, (client,) = settled("a")
    world.dispatch(client, "a")
    world.hub.full = True
    world.dispatch(client, "a")
    world.pass_time(100.0)
    assert [outcome["error"]["code"] for outcome in client.outcomes] == ["busy"]
    world.carry()
    assert [type(message) for message in world.asked] == [Action], "nothing was asked again, and nobody renewed"
    world.hub.full = False
    world.dispatch(client, "a")
    assert [outcome["error"]["code"] for outcome in client.outcomes] == ["busy", "busy"]
    world.dispatch(client, "a", number=2)
    world.dispatch(client, "a")
    world.talk()
    assert world.truth.applied[client.id] == 3


def test_who_waits_behind_others_sends_nothing_again() -> None:
    """While actions are answered, one without an outcome stands in a queue, where another copy would not help."""
    world, (one, two) = settled("a", clients=2)
    world.dispatch(one, "a")
    world.lose_parcels()
    for _ in range(5):
        world.dispatch(two, "a")
        world.talk()
        world.pass_time(4.0)
    assert not any(action.client == one.id for action in asked(world, Action))
    world.pass_time(4.0)
    world.pass_time(4.0)
    assert [action.client for action in asked(world, Action)] == [one.id]


def test_a_front_is_full(monkeypatch: pytest.MonkeyPatch) -> None:
    """All connections together have so many actions under way at most; an outcome, or a leaver, makes room."""
    monkeypatch.setattr("front.hub.MOST_UNDER_WAY", 2)
    world, (one, two) = settled("a", clients=2)
    world.dispatch(one, "a")
    world.dispatch(one, "a")
    world.dispatch(two, "a")
    assert two.outcomes[0]["error"]["code"] == "busy"
    world.talk()
    world.dispatch(two, "a", number=1)
    world.dispatch(two, "a")
    world.dispatch(one, "a")
    assert one.outcomes[-1]["error"]["code"] == "busy"
    world.close(two)
    world.dispatch(one, "a", number=3)
    world.talk()
    assert world.truth.applied[one.id] == 3


def test_the_queue_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """What finds no room among the messages for the bus is asked again, and answered in the end."""
    monkeypatch.setattr("front.hub.MOST_QUEUED", 2)
    world, (client,) = settled()
    for name in "abc":
        world.subscribe(client, name)
    assert len(asked(world, Open)) == 2
    world.talk()
    for _ in range(4):
        world.pass_time(PATIENCE)
        world.talk()
    assert set(client.documents) == {"a{}", "b{}", "c{}"}


def test_parcels_are_capped_by_weight() -> None:
    """Heavy actions travel in more parcels."""
    world, (client,) = settled("a")
    for number in range(4):
        frame = Dispatch(number + 1, "a", Raw(b'{"x":"' + PARCEL_BYTES // 2 * b"x" + b'"}'))
        world.hub.receive(client.client, frame, world.now)
    parcels = [world.hub.parcel() for _ in range(3)]
    assert [len(parcel.messages) if parcel else 0 for parcel in parcels] == [2, 2, 0]


def test_who_enumerates_stores_waits_for_them() -> None:
    """The database is asked for so many a second on behalf of one actor; what is warm costs nothing, nor do others."""
    world = World(Rules(limits=Limits(actor_openings=2)))
    ada, bob, again = world.connect("ada"), world.connect("bob"), world.connect("ada")
    for number in range(50):
        world.subscribe(ada, f"cold{number}")
    world.talk()
    assert len(ada.documents) == 20, "ten seconds' worth at once"
    world.subscribe(bob, "cold30")
    world.subscribe(again, "cold0")
    world.talk()
    assert (list(bob.documents), list(again.documents)) == (["cold30{}"], ["cold0{}"])
    for _ in range(8):
        world.pass_time(0.25)
        world.talk()
    assert len(ada.documents) in {24, 25}, "two a second, and bob's for nothing"
    for _ in range(60):
        world.pass_time(0.25)
        world.talk()
    assert len(ada.documents) == 50


def test_who_enumerates_and_leaves_is_forgotten() -> None:
    world = World(Rules(limits=Limits(actor_openings=1)))
    ada, eve = world.connect(), world.connect()
    for number in range(40):
        world.subscribe(ada, f"cold{number}")
        world.subscribe(eve, f"cold{number + 100}")
    for number in range(15, 40):
        world.unsubscribe(ada, number + 1)
    world.close(eve)
    for _ in range(60):
        world.pass_time(0.25)
        world.talk()
    assert len(ada.documents) == 15
    assert not world.hub._waiting
    assert sum(isinstance(message, Open) for message in world.asked) <= 20 + 15


def test_a_store_stays_warm_for_a_while() -> None:
    """After its last holder left it is kept and renewed, then forgotten."""
    world, (client,) = settled("a")
    world.close(client)
    world.pass_time(GRACE - 1)
    world.commit("a")
    world.talk()
    back = world.connect()
    world.asked.clear()
    world.subscribe(back, "a")
    world.talk()
    assert back.documents["a{}"].version == 1
    assert asked(world, Fetch) == []
    world.close(back)
    world.pass_time(GRACE)
    asked(world, Renew)
    world.pass_time(RENEW)
    assert [message.held for message in asked(world, Renew)] == [[]]


@pytest.mark.parametrize("sign", [Lead(1), Renewed(1)], ids=["Lead", "Renewed"])
def test_readiness(sign: Lead | Renewed) -> None:
    """A front is ready while the bus is there and a multiplexer was heard lately."""
    world = World()
    assert not world.hub.ready(world.now)
    world.hub.take(sign, world.now)
    assert world.hub.ready(world.now + FRESH - 1)
    assert not world.hub.ready(world.now + FRESH)
    world.hub.bus_lost()
    assert not world.hub.ready(world.now)
    world.hub.bus_returned(world.now)
    assert world.hub.ready(world.now)


def test_answers_to_nothing() -> None:
    """Messages about what nobody holds or asked are dropped."""
    world, _ = settled()
    world.hub.take(Opened(12, "a{}", shared=True, ttl_ms=1), world.now)
    world.hub.take(Denied(13, Error("forbidden", "no")), world.now)
    world.hub.take(Gone("a{}", Error("forbidden", "no")), world.now)
    world.hub.take(world.truth.snapshot("a{}"), world.now)
    world.commit("a")
    world.talk()
    assert world.asked == []


def test_bytes_for_many_are_made_once() -> None:
    """Promise 6: all who get the same this tick get one object, and those who take it compressed another one."""
    hub = Hub(front="f")
    frames = [websocket_frame(b"x" * 400), websocket_frame(b"y" * 400)]
    windows = (0, 0, 15, 15, 9)
    boxes = [Letterbox() for _ in windows]
    for number, (box, window) in enumerate(zip(boxes, windows, strict=True)):
        client = hub.opened(Identity("ada", "{}"), str(number), wire=box, window=window)
        hub.receive(client, Subscribe([StoreRequest(1, "a")]), 0.0)
    hub.take(Opened(1, "a{}", shared=True, ttl_ms=5_000), 0.0)
    hub.take(Snapshot("a{}", "e", 0, snapshot_frame("a{}", "e", 0)), 0.0)
    assert carry(hub) == len(windows)
    for box in boxes:
        box.empty()
    for version, text in enumerate((b"x" * 400, b"y" * 400)):
        hub.take(Commit([Update("a{}", "e", version, version + 1, text)]), 0.0)
    carry(hub)
    plain, again, packed, packed_again, small = (data for box in boxes for data in box.empty())
    assert plain is again
    assert plain == b"".join(frames)
    assert packed is packed_again
    assert len(packed) < len(plain) / 4
    assert small != plain
    assert list(hub.writes()) == []


def test_a_run_is_as_its_commits() -> None:
    """Updates of one store that come at once are the same to its holders as one by one: chain, gap and all."""
    key = "a{}"
    updates = [Update(key, "e", v, v + 1, update_frame(key, "e", v, v + 1)) for v in (0, 1, 1, 2, 4)]
    sent = []
    for together in (True, False):
        hub = Hub(front="f")
        client = hub.opened(Identity("ada", "{}"), "c", wire=Letterbox(), window=0)
        hub.receive(client, Subscribe([StoreRequest(1, "a")]), 0.0)
        hub.take(Opened(1, key, shared=True, ttl_ms=5_000), 0.0)
        hub.take(Snapshot(key, "e", 0, snapshot_frame(key, "e", 0)), 0.0)
        carry(hub)
        while hub.parcel() is not None:
            pass
        commits = [Commit([update]) for update in updates]
        for run in [commits] if together else [[commit] for commit in commits]:
            hub.take_run(run, 0.0)
        ((_, data),) = hub.writes()
        parcel = hub.parcel()
        assert parcel is not None
        assert parcel.messages == [Fetch(key)], "the last one leaves a gap"
        sent.append(data)
    assert sent[0] == sent[1] == b"".join(websocket_frame(updates[i].frame) for i in (0, 1, 3))


def test_what_makes_a_run() -> None:
    """Only commits that follow each other and change one same store; everything stays, and stays in order."""
    a, b = (Commit([Update(key, "e", 0, 1, b"")]) for key in "ab")
    both = Commit([*a.updates, *b.updates])
    messages: list[MultiplexerMessage] = [a, a, Renewed(1), a, b, b, both, both, Renewed(1), Renewed(1)]
    assert [len(run) for run in runs(messages)] == [2, 1, 1, 2, 1, 1, 1, 1]
    assert [message for run in runs(messages) for message in run] == messages


def test_an_id_given_up_before_its_answer() -> None:
    """§3: another id of its store may rely on what was ignored with it; that is a gap, and it is subscribed anew."""
    world = World()
    client = world.connect()
    world.ticking = True
    first, second = world.subscribe(client, "a"), world.subscribe(client, "a")
    world.talk()
    world.unsubscribe(client, first)
    world.settle()
    assert second not in client.keys
    assert list(client.keys.values()) == ["a{}"]
    assert client.documents["a{}"].version == world.truth.versions.get("a{}", 0)
