"""The client's side of the protocol, frame by frame, without a socket."""

import asyncio
import json
from typing import Any

import pytest

from fluxwire.client import dispatches
from fluxwire.client.dispatches import Dispatched
from fluxwire.client.frames import ProtocolFault
from fluxwire.client.session import Session
from fluxwire.client.subscriptions import Refused, Subscription


class Wire:
    """A session with a front that says what the test wants."""

    def __init__(self) -> None:
        self.session = Session("the token", "me")
        self.now = 0.0

    def sent(self) -> list[dict[str, Any]]:
        self.now += 1.0
        return [json.loads(text) for text in self.session.take_out(self.now)]

    def say(self, kind: str, **members: object) -> None:
        self.session.receive(json.dumps({"type": kind, **members}), self.now)

    def open(self, **members: object) -> list[dict[str, Any]]:
        """Connect, and return what follows the hello."""
        self.session.connected()
        (hello,) = self.sent()
        assert hello["type"] == "hello"
        self.say("welcome", **{"protocol": 1, "actor": "ada", "max_frame": 65536, "heartbeat_ms": 25000, **members})
        return self.sent()

    def reopen(self) -> list[dict[str, Any]]:
        self.session.lost()
        return self.open()

    def subscribe(self, key: str = "k", document: object = None, version: int = 1) -> Subscription:
        """Subscribe to a store that has a document."""
        subscription = self.session.subscribe("room", {"of": key})
        self.sent()
        self.subscribed(subscription, key=key, version=version, resumed=False)
        self.snapshot(document if document is not None else {}, key=key, version=version)
        return subscription

    def subscribed(self, to: Subscription, *, version: int, resumed: bool, key: str = "k", epoch: str = "e") -> None:
        self.say("subscribed", id=to.number, store=key, epoch=epoch, version=version, resumed=resumed)

    def snapshot(self, document: object, *, version: int, key: str = "k", epoch: str = "e") -> None:
        self.say("snapshot", store=key, epoch=epoch, version=version, document=document)

    def update(self, before: int, after: int, *ops: tuple[str, object], key: str = "k", epoch: str = "e") -> None:
        """Say an update that adds members."""
        patch = [{"op": "add", "path": path, "value": value} for path, value in ops]
        self.say("update", store=key, epoch=epoch, **{"from": before, "to": after}, patch=patch)

    def outcome(self, number: int, status: str = "ok", code: str = "no", reply: object = None) -> None:
        rest = {"reply": reply} if status == "ok" else {"error": {"code": code, "message": "because"}}
        self.say("outcome", lane=0, number=number, status=status, stores={}, **rest)


@pytest.fixture
async def wire() -> Wire:
    return Wire()


@pytest.fixture
async def opened(wire: Wire) -> Wire:
    wire.open()
    return wire


def numbers(sent: list[dict[str, Any]]) -> list[int]:
    """The numbers of the dispatched actions."""
    return [frame["number"] for frame in sent if frame["type"] == "dispatch"]


async def reply(action: Dispatched) -> object:
    async with asyncio.timeout(1):
        return await action


class TestOpening:
    """§2."""

    async def test_hello(self, wire: Wire) -> None:
        """The first frame is hello, with token and client id; nothing else leaves before the welcome."""
        wire.session.dispatch("act", {})
        wire.session.subscribe("room", {})
        wire.session.connected()
        assert wire.sent() == [{"type": "hello", "protocols": [1], "token": "the token", "client": "me"}]
        assert wire.sent() == []

    async def test_refresh(self, wire: Wire) -> None:
        """A fresh token is shown at once on an open connection, and after welcome if hello had the old one."""
        wire.session.connected()
        wire.sent()
        wire.session.refresh("fresh")
        assert wire.sent() == []
        wire.say("welcome", protocol=1, actor="ada", max_frame=65536, heartbeat_ms=25000)
        assert wire.sent() == [{"type": "refresh", "token": "fresh"}]
        wire.session.refresh("fresher")
        wire.session.refresh("fresher")
        assert wire.sent() == [{"type": "refresh", "token": "fresher"}]
        wire.session.lost()
        wire.session.refresh("freshest")
        wire.session.connected()
        assert [frame["token"] for frame in wire.sent()] == ["freshest"]

    async def test_welcome(self, wire: Wire) -> None:
        """After the welcome all stores are asked for in one frame, then the actions are sent, in order."""
        wire.session.dispatch("one", {"a": 1})
        wire.session.subscribe("room", {"room": "lobby"})
        wire.session.dispatch("two", {})
        wire.session.subscribe("rooms", {})
        assert wire.open() == [
            {
                "type": "subscribe",
                "stores": [
                    {"id": 1, "name": "room", "params": {"room": "lobby"}},
                    {"id": 2, "name": "rooms", "params": {}},
                ],
            },
            {"type": "dispatch", "number": 1, "name": "one", "params": {"a": 1}},
            {"type": "dispatch", "number": 2, "name": "two", "params": {}},
        ]

    async def test_frame_before_welcome(self, wire: Wire) -> None:
        """A frame before the welcome is a fault of the front."""
        wire.session.connected()
        with pytest.raises(ProtocolFault):
            wire.outcome(1)

    async def test_long_frames_are_split(self, wire: Wire) -> None:
        """No subscribe frame is longer than the front takes, or names more than 1,000 stores."""
        for number in range(2500):
            wire.session.subscribe("room", {"n": number})
        assert [len(frame["stores"]) for frame in wire.open(max_frame=1_000_000)] == [1000, 1000, 500]
        wire.session.lost()
        sent = wire.open(max_frame=2000)
        assert sum(len(frame["stores"]) for frame in sent) == 2500
        assert max(len(json.dumps(frame)) for frame in sent) <= 2000 + 500  # json.dumps adds spaces

    async def test_ping(self, opened: Wire) -> None:
        """A ping is a frame, and a pong changes nothing."""
        opened.session.ping()
        assert opened.sent() == [{"type": "ping"}]
        opened.say("pong")
        opened.say("something of a later version")
        assert opened.sent() == []


class TestStores:
    """§3."""

    async def test_snapshot_and_updates(self, opened: Wire) -> None:
        """A document begins with its snapshot and goes on by updates."""
        room = opened.subscribe(document={"a": 1}, version=4)
        await room.ready()
        assert (room.document, room.version, room.epoch, room.key) == ({"a": 1}, 4, "e", "k")
        opened.update(4, 6, ("/b", 2))
        assert (room.document, room.version) == ({"a": 1, "b": 2}, 6)
        opened.update(6, 7)
        assert (room.document, room.version) == ({"a": 1, "b": 2}, 7)

    async def test_waiting(self, opened: Wire) -> None:
        """Who waits for a document or a change is woken by it."""
        room = opened.session.subscribe("room", {})
        ready = asyncio.create_task(room.ready())
        changed = asyncio.create_task(room.changed(3))
        await asyncio.sleep(0)
        opened.subscribed(room, version=3, resumed=False)
        opened.snapshot({}, version=3)
        await ready
        assert not changed.done()
        opened.update(3, 5)
        assert await changed == 5

    async def test_versions(self, opened: Wire) -> None:
        """Going through the versions gives each that is seen."""
        room = opened.subscribe(version=1)
        versions = room.versions()
        assert await anext(versions) == 1
        opened.update(1, 2)
        assert await anext(versions) == 2
        opened.update(2, 3)
        opened.update(3, 4)
        assert await anext(versions) == 4

    async def test_another_key(self, opened: Wire) -> None:
        """A front may give a live subscription another key: frames of the old one are leftovers."""
        room = opened.subscribe(document={"a": 1}, version=9)
        opened.subscribed(room, version=2, resumed=False, key="other", epoch="f")
        opened.update(9, 10, ("/a", 2))
        opened.snapshot({"b": 1}, version=2, key="other", epoch="f")
        assert (room.document, room.version, room.key) == ({"b": 1}, 2, "other")

    async def test_new_epoch_is_a_change(self, opened: Wire) -> None:
        """A snapshot of another epoch is a change, whatever its version."""
        room = opened.subscribe(version=9)
        changed = asyncio.create_task(room.changed(9))
        await asyncio.sleep(0)
        opened.snapshot({}, version=1, epoch="f")
        assert await changed == 1

    async def test_known_update_is_ignored(self, opened: Wire) -> None:
        """An update that leads to where we are or were is ignored."""
        room = opened.subscribe(document={}, version=5)
        opened.update(3, 5, ("/x", 1))
        assert (room.document, room.version) == ({}, 5)
        assert opened.sent() == []

    @pytest.mark.parametrize(
        ("before", "epoch", "path"), [(6, "e", "/a"), (4, "e", "/a"), (5, "f", "/a"), (5, "e", "/a/b/c")]
    )
    async def test_gap(self, opened: Wire, before: int, epoch: str, path: str) -> None:
        """An update that does not continue, or cannot be applied, makes us subscribe anew without a version."""
        room = opened.subscribe(document={"old": 1}, version=5)
        opened.update(before, 9, (path, 1), epoch=epoch)
        leave, ask = opened.sent()
        assert leave == {"type": "unsubscribe", "ids": [1]}
        assert ask == {"type": "subscribe", "stores": [{"id": 2, "name": "room", "params": {"of": "k"}}]}
        opened.update(9, 10, ("/late", 1))
        assert "late" not in room.document
        opened.subscribed(room, version=11, resumed=False)
        assert room.version == 5
        opened.snapshot({"new": 1}, version=11)
        opened.update(11, 12, ("/more", 1))
        assert (room.document, room.version) == ({"new": 1, "more": 1}, 12)

    async def test_given_up_before_its_answer(self, opened: Wire) -> None:
        """§3: what another id of the store relies on was ignored with it, so that one is subscribed anew."""
        first, second = (opened.session.subscribe("room", {"of": of}) for of in (1, "1"))
        opened.session.unsubscribe(first)
        opened.sent()
        opened.say("subscribed", id=1, store="k", epoch="e", version=5, resumed=False)
        opened.snapshot({"a": 1}, version=5)
        opened.subscribed(second, version=5, resumed=True)
        leave, ask = opened.sent()
        assert leave == {"type": "unsubscribe", "ids": [2]}
        assert ask == {"type": "subscribe", "stores": [{"id": 3, "name": "room", "params": {"of": "1"}}]}
        opened.subscribed(second, version=5, resumed=False)
        opened.snapshot({"a": 1}, version=5)
        assert second.document == {"a": 1}

    async def test_resume(self, opened: Wire) -> None:
        """After a loss the store is asked for from where it stands, and goes on from there."""
        room = opened.subscribe(document={"a": 1}, version=5)
        (ask,) = opened.reopen()
        assert ask["stores"] == [{"id": 1, "name": "room", "params": {"of": "k"}, "epoch": "e", "version": 5}]
        opened.subscribed(room, version=6, resumed=True)
        opened.update(5, 6, ("/b", 2))
        assert (room.document, room.version) == ({"a": 1, "b": 2}, 6)

    async def test_no_resume(self, opened: Wire) -> None:
        """A front that cannot resume sends a snapshot; until then the old document stays in sight."""
        room = opened.subscribe(document={"a": 1}, version=5)
        opened.reopen()
        opened.subscribed(room, version=2, resumed=False, epoch="f")
        assert room.document == {"a": 1}
        opened.snapshot({"c": 3}, version=2, epoch="f")
        assert (room.document, room.version, room.epoch) == ({"c": 3}, 2, "f")

    async def test_lost_while_waiting(self, opened: Wire) -> None:
        """A document that was not to be trusted any more is not resumed."""
        opened.subscribe(version=5)
        opened.update(7, 8)
        (ask,) = opened.reopen()
        assert "version" not in ask["stores"][0]

    async def test_shared_document(self, opened: Wire) -> None:
        """Two subscriptions with one key share a document and its updates."""
        one = opened.subscribe(document={"a": 1}, version=5)
        two = opened.session.subscribe("room", {"of": "the same"})
        opened.subscribed(two, version=5, resumed=True)
        await two.ready()
        assert two.document is one.document
        opened.update(5, 6, ("/b", 2))
        assert two.version == 6
        opened.session.unsubscribe(one)
        opened.update(6, 7, ("/c", 3))
        assert two.version == 7
        opened.session.unsubscribe(two)
        opened.update(7, 8, ("/d", 4))
        assert two.version == 7
        assert opened.sent()[-2:] == [{"type": "unsubscribe", "ids": [1]}, {"type": "unsubscribe", "ids": [2]}]

    async def test_both_resume(self, opened: Wire) -> None:
        """Two subscriptions with one key are resumed together, and a snapshot serves both."""
        one = opened.subscribe(document={"a": 1}, version=5)
        two = opened.session.subscribe("room", {"of": "the same"})
        opened.subscribed(two, version=5, resumed=True)
        (ask,) = opened.reopen()
        assert [store["version"] for store in ask["stores"]] == [5, 5]
        opened.subscribed(one, version=9, resumed=False)
        opened.subscribed(two, version=9, resumed=True)
        opened.snapshot({"new": 1}, version=9)
        assert (one.version, two.version) == (9, 9)

    async def test_refused(self, opened: Wire) -> None:
        """A subscription that the front ends fails who waits, and is not asked for again."""
        room = opened.session.subscribe("room", {})
        opened.sent()
        waiting = asyncio.create_task(room.ready())
        await asyncio.sleep(0)
        opened.say("unsubscribed", id=room.number, error={"code": "forbidden", "message": "no"})
        with pytest.raises(Refused, match="forbidden"):
            await waiting
        with pytest.raises(Refused):
            await room.changed(0)
        assert opened.reopen() == []

    async def test_withdrawn(self, opened: Wire) -> None:
        """When rights are withdrawn later, who waits for a change learns of it."""
        room = opened.subscribe()
        waiting = asyncio.create_task(room.changed(1))
        await asyncio.sleep(0)
        opened.say("unsubscribed", id=room.number, error={"code": "forbidden", "message": "no"})
        with pytest.raises(Refused, match="forbidden"):
            await waiting
        opened.update(1, 2, ("/a", 1))
        assert room.version == 1

    async def test_leftovers(self, opened: Wire) -> None:
        """Frames for what is not subscribed are ignored."""
        opened.snapshot({}, version=1, key="unknown")
        opened.update(1, 2, key="unknown")
        opened.say("subscribed", id=99, store="unknown", epoch="e", version=1, resumed=False)
        opened.say("unsubscribed", id=99, error={"code": "forbidden", "message": "no"})
        assert opened.sent() == []


class TestCommits:
    """§5."""

    async def test_together(self, opened: Wire) -> None:
        """Updates of one commit become visible together."""
        one, two = opened.subscribe("one"), opened.subscribe("two")
        opened.say("commit", updates=2)
        opened.update(1, 2, ("/a", 1), key="one")
        assert (one.version, two.version) == (1, 1)
        opened.update(1, 2, ("/a", 1), key="two")
        assert (one.version, two.version) == (2, 2)

    async def test_cut_short(self, opened: Wire) -> None:
        """A connection lost in the middle of a commit shows nothing of it."""
        one = opened.subscribe("one")
        opened.say("commit", updates=2)
        opened.update(1, 2, ("/a", 1), key="one")
        opened.reopen()
        assert one.version == 1
        opened.subscribed(one, version=2, resumed=True, key="one")
        opened.update(1, 2, ("/a", 1), key="one")
        assert one.version == 2

    async def test_broken(self, opened: Wire) -> None:
        """Another frame in the middle of a commit is a fault of the front."""
        opened.say("commit", updates=2)
        with pytest.raises(ProtocolFault):
            opened.outcome(1)


class TestActions:
    """§4."""

    async def test_outcomes(self, opened: Wire) -> None:
        """Each action has its own outcome, in whatever order they come."""
        one, two = opened.session.dispatch("one", {}), opened.session.dispatch("two", {})
        assert numbers(opened.sent()) == [1, 2]
        opened.outcome(2, "refused", "too_long")
        opened.outcome(1, reply={"id": 7})
        assert await reply(one) == {"id": 7}
        with pytest.raises(Refused, match="too_long: because") as refused:
            await reply(two)
        assert refused.value.code == "too_long"
        assert opened.session.unanswered == 0

    async def test_sent_again(self, opened: Wire) -> None:
        """After each welcome all that has no outcome is sent again, in order, with its numbers."""
        for name in ("one", "two", "three"):
            opened.session.dispatch(name, {})
        opened.sent()
        opened.outcome(2)
        assert numbers(opened.reopen()) == [1, 3]
        opened.outcome(1)
        assert numbers(opened.reopen()) == [3]

    async def test_times(self, opened: Wire) -> None:
        """An action knows when it was first sent and when its outcome came."""
        action = opened.session.dispatch("act", {})
        opened.sent()
        first = opened.now
        opened.reopen()
        opened.outcome(1)
        assert (action.sent_at, action.settled_at) == (first, opened.now)

    async def test_window(self, opened: Wire) -> None:
        """No more are under way than a front takes of one connection; the rest follow as outcomes come."""
        for _ in range(dispatches.WINDOW + 10):
            opened.session.dispatch("act", {})
        assert numbers(opened.sent()) == list(range(1, dispatches.WINDOW + 1))
        assert opened.sent() == []
        opened.outcome(1)
        assert numbers(opened.sent()) == [dispatches.WINDOW + 1]

    async def test_sent_again_after_gap(self, opened: Wire) -> None:
        """What was not tried is sent again, in order, once all outcomes are in; meanwhile nothing else is sent."""
        actions = [opened.session.dispatch("act", {}) for _ in range(3)]
        opened.sent()
        opened.outcome(2, "invalid", "number_gap")
        actions.append(opened.session.dispatch("act", {}))
        assert opened.sent() == []
        opened.outcome(1, reply=1)
        opened.outcome(3, "invalid", "number_gap")
        assert numbers(opened.sent()) == [2, 3, 4]
        for number in (2, 3, 4):
            opened.outcome(number, reply=number)
        assert [await reply(action) for action in actions] == [1, 2, 3, 4]
        assert opened.session.start_over is None

    async def test_expired(self, opened: Wire) -> None:
        """A client the database does not know any more takes a new id and begins at 1, on a new connection."""
        done, kept, last = (opened.session.dispatch(name, {}) for name in ("done", "kept", "last"))
        opened.sent()
        opened.outcome(1)
        opened.outcome(2, "invalid", "client_expired")
        assert opened.session.start_over == "client_expired"
        opened.outcome(3, "invalid", "client_expired")
        opened.session.lost()
        opened.session.connected()
        (hello,) = opened.sent()
        assert hello["client"] != "me"
        opened.say("welcome", protocol=1, actor="ada", max_frame=65536, heartbeat_ms=25000)
        assert [(frame["number"], frame["name"]) for frame in opened.sent()] == [(1, "kept"), (2, "last")]
        opened.outcome(1)
        opened.outcome(2)
        for action in (done, kept, last):
            await reply(action)

    async def test_overtaken(self, opened: Wire) -> None:
        """A client whose first action was overtaken by the second is not known yet: its id and numbers stay."""
        actions = [opened.session.dispatch("act", {}) for _ in range(3)]
        opened.sent()
        opened.outcome(2, "invalid", "client_expired")
        opened.outcome(3, "invalid", "number_gap")
        opened.outcome(1, reply=1)
        assert opened.session.start_over is None
        assert numbers(opened.sent()) == [2, 3]
        opened.outcome(2, reply=2)
        opened.outcome(3, reply=3)
        assert [await reply(action) for action in actions] == [1, 2, 3]

    async def test_uncertain(self, opened: Wire) -> None:
        """What may have been applied under an expired id is not sent under another: who waits for it is told."""
        _, uncertain = (opened.session.dispatch("act", {}) for _ in range(2))
        opened.sent()
        opened.outcome(1)
        kept = opened.session.dispatch("kept", {})
        assert numbers(opened.reopen()) == [2, 3]
        opened.outcome(2, "invalid", "client_expired")
        assert [(frame["number"], frame["name"]) for frame in opened.reopen()] == [(1, "kept")]
        opened.outcome(1)
        await reply(kept)
        with pytest.raises(Refused, match="client_expired"):
            await reply(uncertain)

    async def test_gap_for_good(self, opened: Wire) -> None:
        """A front that misses numbers which have their outcome has forgotten us: we take a new id as well."""
        for _ in range(2):
            opened.session.dispatch("act", {})
        opened.sent()
        opened.outcome(1)
        for _ in range(3):
            opened.outcome(2, "invalid", "number_gap")
            opened.sent()
        assert opened.session.start_over == "client_expired"

    async def test_busy(self, opened: Wire) -> None:
        """What a front was too busy for is sent again in order, a moment after all outcomes are in."""
        for _ in range(3):
            opened.session.dispatch("act", {})
        opened.sent()
        opened.outcome(2, "invalid", "busy")
        opened.outcome(3, "invalid", "busy")
        assert not opened.session.resume_at
        opened.outcome(1)
        due = opened.session.resume_at
        assert due is not None
        opened.session.resume(due - 0.001)
        assert opened.sent() == []
        opened.session.resume(due)
        assert numbers(opened.sent()) == [2, 3]
        assert not opened.session.resume_at

    async def test_busy_for_good(self, opened: Wire) -> None:
        """A front that stays busy is asked less and less often; a new connection is not kept waiting."""
        opened.session.dispatch("act", {})
        assert numbers(opened.sent()) == [1]
        longest = []
        for _ in range(9):
            opened.outcome(1, "invalid", "busy")
            due = opened.session.resume_at
            assert due is not None
            longest.append(due - opened.now)
            opened.session.resume(due)
            assert numbers(opened.sent()) == [1]
        limits = [0.05, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0]
        assert all(limit / 2 <= wait <= limit for wait, limit in zip(longest, limits, strict=True))
        assert opened.session.start_over is None
        opened.outcome(1, "invalid", "busy")
        assert numbers(opened.reopen()) == [1]

    @pytest.mark.parametrize("code", ["outcome_expired", "number_reused", "unknown_lane"])
    async def test_invalid(self, opened: Wire, code: str) -> None:
        """Whatever sending again does not help against is told to who waits."""
        action = opened.session.dispatch("act", {})
        opened.sent()
        opened.outcome(1, "invalid", code)
        with pytest.raises(Refused, match=code):
            await reply(action)
        assert opened.session.unanswered == 0

    async def test_unknown_outcome(self, opened: Wire) -> None:
        """A second outcome of one action, or one of none, is ignored."""
        action = opened.session.dispatch("act", {})
        opened.sent()
        opened.outcome(1, reply=1)
        opened.outcome(1, "refused")
        opened.outcome(7)
        assert await reply(action) == 1

    async def test_too_long(self, opened: Wire) -> None:
        """An action that would not fit into a frame is refused at once, and takes no number."""
        with pytest.raises(ValueError, match="65536 bytes"):
            opened.session.dispatch("act", {"body": "x" * 70_000})
        with pytest.raises(ValueError, match="surrogates"):
            opened.session.dispatch("act", {"body": "\ud800"})
        with pytest.raises(ValueError, match="65536 bytes"):
            opened.session.subscribe("room", {"of": "x" * 65_500})
        with pytest.raises(TypeError):
            opened.session.subscribe("room", {"of": object()})
        opened.session.dispatch("act", {})
        assert numbers(opened.sent()) == [1]

    async def test_parameters_are_taken_at_once(self, opened: Wire) -> None:
        """What the caller does with the parameters afterwards does not change the action."""
        params: dict[str, object] = {"body": "one"}
        opened.session.dispatch("act", params)
        params["body"] = "two"
        (first,), (second,) = opened.sent(), opened.reopen()
        assert first == second
        assert first["params"] == {"body": "one"}

    async def test_stopped(self, opened: Wire) -> None:
        """When nothing will come any more everybody who waits is told, and who comes later as well."""
        room, action = opened.session.subscribe("room", {}), opened.session.dispatch("act", {})
        opened.session.fail(ConnectionError("over"))
        late_room, late = opened.session.subscribe("room", {}), opened.session.dispatch("act", {})
        for waiting in (room.ready(), reply(action), late_room.ready(), reply(late)):
            with pytest.raises(ConnectionError, match="over"):
                await waiting
