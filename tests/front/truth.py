"""What is true in a test of a front, and what a multiplexer that is always right says of it."""

import json
from dataclasses import dataclass, field

from broker.messages import (
    Action,
    Commit,
    Denied,
    Error,
    Fetch,
    FrontMessage,
    Gone,
    Held,
    MultiplexerMessage,
    Open,
    Opened,
    Outcome,
    Renew,
    Renewed,
    Snapshot,
    Update,
)

from .wire import Json


def snapshot_frame(key: str, epoch: str, version: int, document: Json | None = None) -> bytes:
    frame = {"type": "snapshot", "store": key, "epoch": epoch, "version": version, "document": document or {}}
    return json.dumps(frame).encode()


def update_frame(key: str, epoch: str, start: int, end: int) -> bytes:
    return json.dumps({"type": "update", "store": key, "epoch": epoch, "from": start, "to": end, "patch": []}).encode()


@dataclass
class Truth:
    """The stores, and who did what to them; each action named after stores changes them in one commit."""

    epoch: str
    versions: dict[str, int] = field(default_factory=dict)
    document: Json = field(default_factory=dict)
    """Of every store."""
    shared: bool = True
    """Whether verdicts hold for everybody."""
    denied: str | None = None
    """The code that openings and actions are refused with."""
    forbidden: set[str] = field(default_factory=set)
    """Keys whose snapshots are refused."""
    applied: dict[str, int] = field(default_factory=dict)
    """Number of the last action applied, by client id."""
    results: dict[tuple[str, int], dict[str, int]] = field(default_factory=dict)

    def commit(self, *names: str, step: int = 1, padding: int = 0) -> tuple[list[Commit], dict[str, int]]:
        """Change stores in one commit: the message that tells it, if any, and the versions they reached."""
        updates = []
        for key in dict.fromkeys(name + "{}" for name in names if name):
            before = self.versions.get(key, 0)
            self.versions[key] = before + step
            frame = update_frame(key, self.epoch, before, before + step) + b" " * padding
            updates.append(Update(key, self.epoch, before, before + step, frame))
        return [Commit(updates)] if updates else [], {update.key: update.to_version for update in updates}

    def snapshot(self, key: str) -> Snapshot:
        version = self.versions.get(key, 0)
        return Snapshot(key, self.epoch, version, snapshot_frame(key, self.epoch, version, self.document))

    def answer(self, message: FrontMessage) -> tuple[list[Commit], list[MultiplexerMessage]]:
        """What all fronts hear of a message, and what the one that sent it hears then."""
        return self._act(message) if isinstance(message, Action) else ([], [self._reply(message)])

    def _reply(self, question: Open | Fetch | Renew) -> MultiplexerMessage:
        match question:
            case Open() if self.denied:
                return Denied(question.request, Error(self.denied, "No."))
            case Open():
                return Opened(question.request, question.name + question.params, shared=self.shared, ttl_ms=5000)
            case Fetch() if question.key in self.forbidden:
                return Gone(question.key, Error("forbidden", "no"))
            case Fetch():
                return self.snapshot(question.key)
            case Renew():
                there = [Held(held.key, self.epoch, self.versions.get(held.key, 0)) for held in question.held]
                return Renewed(1, [one for one, held in zip(there, question.held, strict=True) if one != held])

    def _act(self, action: Action) -> tuple[list[Commit], list[MultiplexerMessage]]:
        if self.denied:
            return [], [_outcome(action, "refused", Error(self.denied, "No.", constraint="c"), {})]
        last = self.applied.get(action.client, 0)
        if action.number == last + 1:
            commits, result = self.commit(*action.name.split(","))
            self.applied[action.client] = action.number
            self.results[action.client, action.number] = result
            return commits, [_outcome(action, "ok", None, result)]
        if action.number <= last:
            return [], [_outcome(action, "ok", None, self.results[action.client, action.number])]
        if last:
            return [], [_outcome(action, "invalid", Error("number_gap", f"Number {last + 1} was expected."), {})]
        return [], [_outcome(action, "invalid", Error("client_expired", "This client is not known."), {})]


def _outcome(action: Action, status: str, error: Error | None, stores: dict[str, int]) -> Outcome:
    reply = action.params if status == "ok" else None
    return Outcome(action.connection, action.lane, action.number, status, reply, error, stores)
