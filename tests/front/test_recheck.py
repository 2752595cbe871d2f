"""When who may read may have changed: nobody sees more of a store before the verdict on him."""

import json

from broker.bus import Missed, News
from broker.messages import (
    Commit,
    Denied,
    Error,
    Gone,
    Open,
    Opened,
    Parcel,
    Recheck,
    Snapshot,
    Update,
)
from front.clients import Client
from front.frames import Subscribe, Unsubscribe, parse
from front.gates import Identity
from front.hub import ASK_AGAIN, Hub

from .truth import snapshot_frame, update_frame
from .wire import Json, Letterbox, carry, texts

KEY = 'board{"id": 1}'
FORBIDDEN = Error("forbidden", "You may not read this store.")


class Board:
    """A hub whose clients hold a store that not everybody may read."""

    def __init__(self, *actors: str) -> None:
        self.hub = Hub(front="f")
        self.version = 0
        self.boxes: dict[str, Letterbox] = {}
        self.clients = {actor: self._join(actor) for actor in actors}

    def _join(self, actor: str) -> Client:
        box = self.boxes[actor] = Letterbox()
        client = self.hub.opened(Identity(actor, json.dumps({"sub": actor})), "c", wire=box, window=0)
        frame = parse(b'{"type":"subscribe","stores":[{"id":1,"name":"board","params":{"id":1}}]}')
        assert isinstance(frame, Subscribe)
        self.hub.receive(client, frame, 0.0)
        for question in self.questions():
            self.hub.take(Opened(question.request, KEY, shared=False, ttl_ms=5000), 0.0)
        self.hub.take(Snapshot(KEY, "e", self.version, snapshot_frame(KEY, "e", self.version)), 0.0)
        self.frames()
        return client

    def questions(self) -> list[Open]:
        found: list[Open] = []
        while (parcel := self.hub.parcel()) is not None:
            assert isinstance(parcel, Parcel)
            found += [message for message in parcel.messages if isinstance(message, Open)]
        return found

    def say(self, *messages: News) -> None:
        for message in messages:
            self.hub.take(message, 1.0)

    def commit(self) -> Commit:
        self.version += 1
        start, end = self.version - 1, self.version
        return Commit([Update(KEY, "e", start, end, update_frame(KEY, "e", start, end))])

    def verdict(self, question: Open, *, good: bool) -> None:
        if good:
            self.say(Opened(question.request, KEY, shared=False, ttl_ms=5000))
        else:
            self.say(Denied(question.request, FORBIDDEN))

    def frames(self) -> dict[str, list[Json]]:
        """What each actor was sent since the last look."""
        carry(self.hub)
        sent = {actor: b"".join(box.empty()) for actor, box in self.boxes.items()}
        return {actor: texts(data) for actor, data in sent.items() if data}


def kinds(frames: list[Json]) -> list[tuple[str, int | None]]:
    return [(frame["type"], frame.get("to", frame.get("version"))) for frame in frames]


def test_updates_wait_for_the_verdict() -> None:
    """Who may still read goes on where he was, who may not is told so and sees nothing of the commit that said it."""
    board = Board("ada", "bob")
    board.say(Recheck(KEY), board.commit(), board.commit())
    questions = board.questions()
    assert sorted((one.actor, one.name, one.params) for one in questions) == [
        ("ada", "board", '{"id":1}'),
        ("bob", "board", '{"id":1}'),
    ]
    assert board.frames() == {}
    for question in questions:
        board.verdict(question, good=question.actor == "ada")
    sent = board.frames()
    assert kinds([frame for frame in sent["ada"] if frame["type"] == "update"]) == [("update", 2)]
    assert [(frame["type"], frame["id"], frame["error"]["code"]) for frame in sent["bob"]] == [
        ("unsubscribed", 1, "forbidden")
    ]
    board.say(board.commit())
    assert {actor: kinds(frames) for actor, frames in board.frames().items()} == {"ada": [("update", 3)]}


def test_a_name_means_all_its_keys() -> None:
    """A store's name alone suspends every key of it, and no store whose name merely begins like it."""
    board = Board("ada")
    board.say(Recheck("boar"), board.commit())
    assert board.questions() == []
    assert kinds(board.frames()["ada"]) == [("update", 1)]
    board.say(Recheck("board"), board.commit())
    assert len(board.questions()) == 1
    assert board.frames() == {}


def test_a_verdict_from_before_does_not_count() -> None:
    """An answer that was under way when the doubt came may be older than what changed; it is asked anew."""
    board = Board("ada")
    frame = parse(b'{"type":"subscribe","stores":[{"id":2,"name":"board","params":{"id":1}}]}')
    late = board.hub.opened(
        Identity("eve", '{"sub":"eve"}'), "c", wire=board.boxes.setdefault("eve", Letterbox()), window=0
    )
    assert isinstance(frame, Subscribe)
    board.hub.receive(late, frame, 0.5)
    (before,) = board.questions()
    board.say(Recheck(KEY))
    after = {question.actor: question for question in board.questions()}
    assert set(after) == {"ada", "eve"}
    board.verdict(before, good=True)
    assert board.frames() == {}
    board.verdict(after["eve"], good=False)
    assert [frame["type"] for frame in board.frames()["eve"]] == ["unsubscribed"]


def test_cached_verdicts_are_forgotten() -> None:
    """Somebody who comes after the doubt is asked for, though a verdict was good a moment ago."""
    board = Board("ada")
    board.say(Recheck(KEY))
    (question,) = board.questions()
    board.verdict(question, good=True)
    board.frames()
    board.say(Recheck(KEY))
    assert len(board.questions()) == 1


def test_after_a_gap_rights_are_asked_for_again() -> None:
    """Where messages are missing, a right may have been withdrawn: nothing is shown before the verdict."""
    board = Board("ada", "bob")
    board.say(Missed(), board.commit())
    questions = board.questions()
    assert sorted(question.actor for question in questions) == ["ada", "bob"]
    assert board.frames() == {}
    for question in questions:
        board.verdict(question, good=question.actor == "ada")
    kinds_of = {actor: [frame["type"] for frame in frames] for actor, frames in board.frames().items()}
    assert kinds_of == {"ada": ["update"], "bob": ["unsubscribed"]}


def test_leaving_while_it_is_asked() -> None:
    """A client that lets go meanwhile is not told of a verdict, and one whose socket is blocked catches up later."""
    board = Board("ada", "bob")
    board.say(Recheck(KEY), board.commit())
    questions = board.questions()
    frame = parse(b'{"type":"unsubscribe","ids":[1]}')
    assert isinstance(frame, Unsubscribe)
    board.hub.receive(board.clients["ada"], frame, 1.0)
    board.hub.blocked(board.clients["bob"])
    for question in questions:
        board.verdict(question, good=True)
    assert board.frames() == {}
    board.hub.drained(board.clients["bob"], 2.0)
    assert {actor: kinds(frames) for actor, frames in board.frames().items()} == {"bob": [("update", 1)]}


def test_a_blocked_client_does_not_catch_up_before_its_verdict() -> None:
    """A socket that drains while it is asked gets nothing of the store yet."""
    board = Board("ada")
    board.hub.blocked(board.clients["ada"])
    board.say(board.commit(), Recheck(KEY), board.commit())
    (question,) = board.questions()
    board.hub.drained(board.clients["ada"], 2.0)
    assert board.frames() == {}
    board.verdict(question, good=True)
    assert kinds([frame for frame in board.frames()["ada"] if frame["type"] == "update"]) == [("update", 2)]


def test_a_deploy_may_give_a_store_another_key() -> None:
    """Who held it by the old key is told the new one, and starts from a snapshot; the old key means nothing to him."""
    board = Board("ada", "bob")
    other = 'board{"id": 1, "page": 1}'
    board.say(Recheck("board"))
    for question in board.questions():
        board.say(Opened(question.request, other, shared=False, ttl_ms=5000))
    board.say(board.commit(), Snapshot(other, "f", 7, snapshot_frame(other, "f", 7)))
    for frames in board.frames().values():
        assert [(frame["type"], frame.get("id"), frame["store"]) for frame in frames] == [
            ("subscribed", 1, other),
            ("snapshot", None, other),
        ]
        assert frames[0]["resumed"] is False
    board.say(board.commit(), Commit([Update(other, "f", 7, 8, update_frame(other, "f", 7, 8))]))
    assert {actor: kinds(frames) for actor, frames in board.frames().items()} == {
        "ada": [("update", 8)],
        "bob": [("update", 8)],
    }


def test_a_store_that_is_gone_while_it_is_asked() -> None:
    """The old key may be gone before it is known that the store has another: the verdict decides."""
    board = Board("ada", "bob")
    other = 'board{"id": 1, "page": 1}'
    board.say(Recheck("board"))
    first, second = board.questions()
    board.say(Gone(KEY, Error("failed", "The store cannot be rendered.")))
    assert board.frames() == {}
    board.say(Opened(first.request, other, shared=False, ttl_ms=5000))
    board.say(Snapshot(other, "f", 7, snapshot_frame(other, "f", 7)))
    assert kinds(board.frames()[first.actor]) == [("subscribed", 7), ("snapshot", 7)]
    board.say(Opened(second.request, KEY, shared=False, ttl_ms=5000))
    board.say(Gone(KEY, Error("failed", "The store cannot be rendered.")))
    (frame,) = board.frames()[second.actor]
    assert (frame["type"], frame["error"]["code"]) == ("unsubscribed", "failed")


def test_everybody_is_asked_for_once_in_a_while() -> None:
    """A right that ended and no watched table tells of ends within a round; until the verdict frames go on."""
    board = Board(*(f"a{number}" for number in range(50)))
    asked: list[Open] = []
    most = 0
    for second in range(int(ASK_AGAIN) + 2):
        board.hub.sweep(2.0 + second)
        questions = board.questions()
        for question in questions:
            board.verdict(question, good=question.actor != "a7")
        asked += questions
        most = max(most, len(questions))
    assert {question.actor for question in asked} == {f"a{number}" for number in range(50)}
    assert len(asked) == 50
    assert most == 1
    sent = board.frames()
    assert [frame["type"] for frame in sent.pop("a7")] == ["unsubscribed"]
    assert sent == {}
    board.say(board.commit())
    assert len(board.frames()) == 49
