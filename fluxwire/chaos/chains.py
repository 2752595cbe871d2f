"""Whether what a client is told of its stores is an unbroken chain (docs/protocol.md §3)."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from fluxwire.client.frames import Frame, Snapshot, Subscribed, Update, Welcome


class Position(NamedTuple):
    """Where a document stands."""

    epoch: str
    version: int


class Chains:
    """The chains of one client, over all its connections.

    Judges the frames by themselves: it does not ask the client what it made of them.

    Args:
        name: The client's name.
        broken: Takes a sentence for every frame that breaks a chain.

    """

    def __init__(self, name: str, broken: Callable[[str], None]) -> None:
        self._name = name
        self._broken = broken
        self._positions: dict[str, Position] = {}
        self._live: set[str] = set()
        self._awaited: set[str] = set()

    def take(self, frame: Frame) -> None:
        """Take the next frame."""
        match frame:
            case Welcome():
                self._live.clear()
                self._awaited.clear()
            case Subscribed():
                self._subscribed(frame)
            case Snapshot():
                if frame.store in self._live:
                    self._awaited.discard(frame.store)
                    self._positions[frame.store] = Position(frame.epoch, frame.version)
            case Update():
                if frame.store in self._live:
                    self._update(frame)

    def _subscribed(self, frame: Subscribed) -> None:
        if not frame.resumed:
            self._awaited.add(frame.store)
        elif frame.store not in self._positions:
            self._break(frame.store, "resumed, and nothing was held")
        self._live.add(frame.store)

    def _update(self, frame: Update) -> None:
        held = self._positions.get(frame.store)
        step = f"{frame.epoch}:{frame.from_version}..{frame.to_version}"
        if frame.store in self._awaited or held is None:
            self._break(frame.store, f"{step} before the snapshot")
        elif (frame.epoch, frame.from_version) != held:
            self._break(frame.store, f"{step} after {held.epoch}:{held.version}")
        elif frame.to_version <= frame.from_version:
            self._break(frame.store, f"{step} leads nowhere")
        # Go on from what was said, so that one mistake is told once.
        self._positions[frame.store] = Position(frame.epoch, frame.to_version)

    def _break(self, store: str, what: str) -> None:
        self._broken(f"{self._name}, {store}: {what}")
