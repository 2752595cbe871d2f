"""A hub with simulated clients on one side and what is true on the other.

The road between hub and multiplexer delays and loses as a bus may; the clients check every frame as a client must.
"""

import json
from collections import deque
from dataclasses import dataclass, field

from broker.messages import FrontMessage, Lead, MultiplexerMessage
from front.clients import Client
from front.frames import Dispatch, Subscribe, Unsubscribe, parse
from front.gates import Identity
from front.hub import Hub
from front.rules import Rules
from front.runs import runs

from .truth import Truth
from .wire import Json, Letterbox, carry, texts


@dataclass
class Document:
    """What a client holds of a store."""

    epoch: str
    version: int


@dataclass
class Simulated:
    """A client that holds documents and checks the chain."""

    client: Client
    id: str
    box: Letterbox
    documents: dict[str, Document] = field(default_factory=dict)
    keys: dict[int, str] = field(default_factory=dict)
    """By live subscription id; empty until it is answered."""
    asked: int = 0
    """The highest id it has used."""
    sent: int = 0
    outcomes: list[Json] = field(default_factory=list)
    refused: list[Json] = field(default_factory=list)
    together: list[list[str]] = field(default_factory=list)
    """The keys of each announced commit."""
    _announced: int = 0
    _resumes: set[str] = field(default_factory=set)
    """Keys whose snapshot is still to come."""
    gave_up: bool = False
    """Whether it ever let go of an id before its answer, and then ignored what another id relies on."""
    anew: dict[int, str] = field(default_factory=dict)
    """Ids, and their keys, that it has to subscribe to anew for that (§3)."""
    old: dict[str, Document] = field(default_factory=dict)
    """What it held of stores it let go of; a resume begins there."""

    def feed(self, data: bytes) -> None:
        for frame in texts(data):
            self._read(frame)

    def _read(self, frame: Json) -> None:
        kind = frame["type"]
        if self._announced:
            assert kind == "update", "§5: what was announced follows at once"
        match kind:
            case "subscribed":
                self._subscribed(frame)
            case "snapshot" | "update":
                if frame["store"] in self.keys.values():
                    self._apply(frame)
                if self._announced and kind == "update":
                    self._announced -= 1
                    self.together[-1].append(frame["store"])
            case "commit":
                self._announced = frame["updates"]
                assert self._announced > 1, "§5: one alone is not announced"
                self.together.append([])
            case "outcome":
                self.outcomes.append(frame)
            case "unsubscribed":
                self.refused.append(frame)
                self.drop(frame["id"])

    def _subscribed(self, frame: Json) -> None:
        key = frame["store"]
        if frame["id"] not in self.keys:
            return
        held = key in self.keys.values()
        self.keys[frame["id"]] = key
        if held:
            assert frame["resumed"], "§3: when the key was held nothing follows"
        elif frame["resumed"] and key in self.old:
            self.documents[key] = self.old.pop(key)
        elif frame["resumed"]:
            assert self.gave_up, "§3: nothing is left out that was not ignored"
            self.keys[frame["id"]] = ""
            self.anew[frame["id"]] = key
        else:
            self._resumes.add(key)

    def _apply(self, frame: Json) -> None:
        key = frame["store"]
        document = self.documents.get(key)
        if frame["type"] == "snapshot":
            self._resumes.discard(key)
            before = document or self.old.pop(key, None)
            if before is not None and before.epoch == frame["epoch"]:
                assert frame["version"] >= before.version, "documents do not go back"
            self.documents[key] = Document(frame["epoch"], frame["version"])
            return
        assert document is not None, "an update comes after what it continues"
        assert key not in self._resumes, "the snapshot comes first"
        assert (document.epoch, document.version) == (frame["epoch"], frame["from"]), "no gap, and none twice"
        document.version = frame["to"]

    def drop(self, subscription: int) -> None:
        key = self.keys.pop(subscription)
        self.gave_up = self.gave_up or not key
        if key and key not in self.keys.values():
            self._resumes.discard(key)
            document = self.documents.pop(key, None)
            if document is not None:
                self.old[key] = document


class World:
    """The hub, its clients, and the truth."""

    def __init__(self, rules: Rules | None = None) -> None:
        self.now = 1000.0
        self.hub = Hub(front="f", rules=rules)
        self.truth = Truth("1")
        self.clients: list[Simulated] = []
        self.asked: list[FrontMessage] = []
        """What the hub has said since the last look, in order."""
        self.own: deque[MultiplexerMessage] = deque()
        self.shared: deque[MultiplexerMessage] = deque()
        self.ticking = False
        """Whether what the hub has for clients is left to gather."""

    # Clients.

    def connect(self, actor: str = "ada") -> Simulated:
        identity = Identity(actor, f'{{"sub":"{actor}"}}')
        name = f"client {len(self.clients)}"
        box = Letterbox()
        simulated = Simulated(self.hub.opened(identity, name, wire=box, window=0), name, box)
        self.clients.append(simulated)
        return simulated

    def subscribe(self, simulated: Simulated, name: str, *, resume: bool = False, number: int | None = None) -> int:
        if number is None:
            number = simulated.asked + 1
        simulated.asked = max(simulated.asked, number)
        request: Json = {"id": number, "name": name}
        old = simulated.old.get(f"{name}{{}}")
        if old is not None and resume:
            request |= {"epoch": old.epoch, "version": old.version}
        elif old is not None:
            del simulated.old[f"{name}{{}}"]
        frame = parse(json.dumps({"type": "subscribe", "stores": [request]}).encode())
        assert isinstance(frame, Subscribe)
        simulated.keys.setdefault(number, "")
        self.hub.receive(simulated.client, frame, self.now)
        self.flush()
        return number

    def unsubscribe(self, simulated: Simulated, number: int) -> None:
        self.hub.receive(simulated.client, Unsubscribe(ids=[number]), self.now)
        if number in simulated.keys:
            simulated.drop(number)
        self.flush()

    def dispatch(self, simulated: Simulated, *names: str, number: int | None = None) -> None:
        simulated.sent = number or simulated.sent + 1
        text = json.dumps({"type": "dispatch", "number": simulated.sent, "name": ",".join(names)})
        frame = parse(text.encode())
        assert isinstance(frame, Dispatch)
        self.hub.receive(simulated.client, frame, self.now)
        self.flush()

    def close(self, simulated: Simulated) -> None:
        self.clients.remove(simulated)
        self.hub.closed(simulated.client, self.now)
        self.flush()

    def flush(self) -> None:
        if self.ticking:
            return
        carry(self.hub)
        for simulated in self.clients:
            writes = simulated.box.empty()
            assert len(writes) <= 1, "one write per client and tick"
            for data in writes:
                simulated.feed(data)
        for simulated in self.clients:
            anew, simulated.anew = simulated.anew, {}
            for number, key in anew.items():
                self.unsubscribe(simulated, number)
                self.subscribe(simulated, key.removesuffix("{}"))

    # The multiplexer.

    def commit(self, *names: str, step: int = 1) -> None:
        """Change stores in one commit, and publish it."""
        commits, _ = self.truth.commit(*names, step=step)
        self.shared += commits

    def begin_epoch(self) -> None:
        self.truth.epoch = str(int(self.truth.epoch) + 1)
        self.truth.versions.clear()

    def carry(self) -> None:
        """Take what the hub says to the multiplexer, which answers."""
        while (parcel := self.hub.parcel()) is not None:
            for message in parcel.messages:
                self.asked.append(message)
                commits, answers = self.truth.answer(message)
                self.shared += commits
                self.own += answers

    def lose_parcels(self) -> None:
        while self.hub.parcel() is not None:
            pass

    def hear(self, stream: deque[MultiplexerMessage], most: int = 10**6) -> None:
        """Deliver what a stream has."""
        for run in runs([stream.popleft() for _ in range(min(most, len(stream)))]):
            self.hub.take_run(run, self.now)
        self.flush()

    def lead(self) -> None:
        self.shared.append(Lead(1))

    # Time.

    def pass_time(self, seconds: float) -> None:
        self.now += seconds
        self.hub.sweep(self.now)
        self.flush()

    def talk(self) -> None:
        """Carry everything both ways until both are silent."""
        self.carry()
        while self.own or self.shared:
            self.hear(self.own)
            self.hear(self.shared)
            self.carry()

    def settle(self) -> None:
        """Let the dust settle: nothing is lost any more, all sockets drain, time passes."""
        self.ticking = False
        self.hub.bus_returned(self.now)
        for simulated in self.clients:
            if simulated.client.blocked:
                self.hub.drained(simulated.client, self.now)
        for _ in range(5):
            self.talk()
            self.pass_time(3.0)
        self.talk()
