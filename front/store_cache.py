"""What a front keeps of one store: the newest snapshot and a ring of patches, all as bytes ready for the wire.

Nothing here knows who reads a store. The hub feeds in what the multiplexer sends, and asks for the bytes that
bring a client from where it stands to where the store is. The chain they form is unbroken (docs/protocol.md §3).
"""

from collections import deque
from itertools import islice
from typing import NamedTuple

from broker.messages import Snapshot, Update

from .frames import websocket_frame

RING_BYTES = 65_536
"""Least room for the patches of a store, in bytes; a store gets twice its snapshot if that is more."""

JOINED = 8  # how many joined chains are kept; a herd that comes back stands at few versions


class Position(NamedTuple):
    """A version of an epoch."""

    epoch: str
    version: int


class CatchUp(NamedTuple):
    """Ready ``update`` frames, joined."""

    data: bytes
    updates: int
    """How many frames are in ``data``."""


class Patch(NamedTuple):
    """One link of the chain; where it leads is where the next one begins."""

    from_version: int
    frame: bytes


class StoreCache:
    """The chain of one store."""

    __slots__ = (
        "_base",
        "_base_version",
        "_held",
        "_held_bytes",
        "_joined",
        "_patches",
        "_ring_bytes",
        "_room",
        "_whole",
        "position",
    )

    def __init__(self) -> None:
        self.position: Position | None = None
        """Where the chain ends; None until the first snapshot."""
        self._base: bytes | None = None  # the snapshot's frame; None once the ring no longer reaches back to it
        self._base_version = -1
        self._patches: deque[Patch] = deque()
        self._ring_bytes = 0
        self._room = RING_BYTES
        self._held: deque[Update] = deque()  # updates that wait for a snapshot, in the order they came
        self._held_bytes = 0
        self._joined: dict[int, CatchUp] = {}  # by the version they begin at; good until the chain moves
        self._whole: bytes | None = None  # likewise

    def take_update(self, update: Update) -> bytes:
        """Take an update from the bus.

        Returns:
            Its frame, if it is the chain's next link: every holder gets it. Nothing, if we have it already, or if it
            has to wait for a snapshot; then :attr:`awaits_snapshot` is true.

        """
        if self.position is not None and update.epoch == self.position.epoch:
            if update.to_version <= self.position.version:
                return b""
            # Behind one that waits all wait, so that what a snapshot brings stays in order.
            if update.from_version == self.position.version and not self._held:
                frame = websocket_frame(update.frame)
                self._append(update, frame)
                return frame
        self._hold(update)
        return b""

    def take_snapshot(self, snapshot: Snapshot) -> bytes:
        """Take a snapshot from the bus, and with it the updates that waited for it.

        Returns:
            What every holder gets: the snapshot and what follows, if it is news; what waited, if that has become the
            next link; else nothing.

        """
        news = self._place(snapshot)
        held, self._held, self._held_bytes = self._held, deque(), 0
        # Of another epoch than the newest word on the store, an update has nothing to wait for.
        followed = [self.take_update(update) for update in held if update.epoch == snapshot.epoch]
        if news:
            return self.whole() or b""
        return b"".join(followed)

    def since(self, position: Position | None) -> CatchUp | None:
        """The updates that continue from a position, or None if the ring does not reach back to it."""
        if self.position is None or position is None or position.epoch != self.position.epoch:
            return None
        version = position.version
        if version == self.position.version:
            return CatchUp(b"", 0)
        if version not in self._joined:
            index = next((i for i, patch in enumerate(self._patches) if patch.from_version == version), None)
            if index is None:
                return None
            frames = [patch.frame for patch in islice(self._patches, index, None)]
            if len(self._joined) == JOINED:
                self._joined.clear()
            self._joined[version] = CatchUp(b"".join(frames), len(frames))
        return self._joined[version]

    def whole(self) -> bytes | None:
        """The snapshot and the updates after it, or None if the ring does not reach back to a snapshot."""
        if self._whole is None and self._base is not None and self.position is not None:
            after = self.since(Position(self.position.epoch, self._base_version))
            assert after is not None, "a snapshot is let go of together with the patch that continues it"
            self._whole = self._base + after.data
        return self._whole

    @property
    def awaits_snapshot(self) -> bool:
        """Whether updates wait that only a snapshot can connect."""
        return bool(self._held)

    def _place(self, snapshot: Snapshot) -> bool:
        """Put a snapshot under the chain; whether it is news to those who hold the chain's end."""
        position = Position(snapshot.epoch, snapshot.version)
        ours = self.position
        news = ours is None or position.epoch != ours.epoch or position.version > ours.version
        if news:
            self.position = position
            self._patches.clear()
            self._ring_bytes = 0
        elif self._base is not None or self.since(position) is None:
            return False
        self._base, self._base_version = websocket_frame(snapshot.frame), snapshot.version
        self._room = max(RING_BYTES, 2 * len(self._base))
        self._forget_joined()
        return news

    def _append(self, update: Update, frame: bytes) -> None:
        self.position = Position(update.epoch, update.to_version)
        self._forget_joined()
        self._patches.append(Patch(update.from_version, frame))
        self._ring_bytes += len(frame)
        while self._ring_bytes > self._room:
            oldest = self._patches.popleft()
            self._ring_bytes -= len(oldest.frame)
            if oldest.from_version >= self._base_version:
                self._base = None

    def _hold(self, update: Update) -> None:
        self._held.append(update)
        self._held_bytes += len(update.frame)
        # The oldest may go: a snapshot that does not cover it leaves a gap, which asks for the next snapshot.
        while self._held_bytes > self._room and len(self._held) > 1:
            self._held_bytes -= len(self._held.popleft().frame)

    def _forget_joined(self) -> None:
        self._joined.clear()
        self._whole = None
