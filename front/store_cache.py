"""What a front keeps of one store: the newest snapshot, ready for the wire, and a ring of patches.

Nothing here knows who reads a store. The hub feeds in what the multiplexer sends, and asks for the bytes that
bring a client from where it stands to where the store is. The chain they form is unbroken (docs/protocol.md §3).
"""

from collections import deque
from itertools import islice
from typing import NamedTuple

from broker.messages import Snapshot, Update

from .frames import websocket_frame
from .merge import Unmergeable, merged

RING_BYTES = 65_536
"""Least room for the patches of a store, in bytes; a store gets twice its snapshot if that is more."""

MERGED = 8  # how many merged updates are kept; a herd that comes back stands at few versions


class Position(NamedTuple):
    """A version of an epoch."""

    epoch: str
    version: int


class Patch(NamedTuple):
    """One link of the chain; where it leads is where the next one begins."""

    from_version: int
    update: bytes
    """JSON of the ``update`` frame."""


class StoreCache:
    """The chain of one store."""

    __slots__ = (
        "_base",
        "_base_version",
        "_held",
        "_held_bytes",
        "_merged",
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
        self._merged: dict[int, bytes] = {}  # by the version they begin at; good until the chain moves
        self._whole: bytes | None = None  # likewise

    def take_update(self, update: Update) -> bytes:
        """Take an update from the bus.

        Returns:
            Its frame, if it is the chain's next link: every holder gets it, and then what :meth:`follows`. Nothing, if
            we have it already, or if it has to wait for a snapshot; then :attr:`awaits_snapshot` is true.

        """
        if self.position is not None and update.epoch == self.position.epoch:
            if update.to_version <= self.position.version:
                return b""
            if update.from_version == self.position.version:
                self._append(update)
                return websocket_frame(update.frame)
        self._hold(update)
        return b""

    def follows(self) -> bytes:
        """Take what came too early and has become the chain's next link, or links; their frames."""
        if not self._held:
            return b""
        held, self._held, self._held_bytes = self._held, deque(), 0
        return b"".join(map(self.take_update, sorted(held, key=lambda update: update.from_version)))

    def take_snapshot(self, snapshot: Snapshot) -> bytes:
        """Take a snapshot from the bus, and with it the updates that waited for it.

        Returns:
            What every holder gets: the snapshot and what follows, if it is news; what waited, if that has become the
            next link; else nothing.

        """
        news = self._place(snapshot)
        base = self._base
        # Of another epoch than the newest word on the store, an update has nothing to wait for.
        self._held = deque(update for update in self._held if update.epoch == snapshot.epoch)
        followed = self.follows()
        if news and base is not None:
            # The ring may be too small for what waited, and then it does not begin at the snapshot any more.
            return self.whole() or base + followed
        return followed

    def since(self, position: Position | None) -> bytes | None:
        """One update that continues from a position to the chain's end.

        Returns:
            Its frame; nothing to one who stands there already; None if the ring does not reach back to the position.

        """
        if self.position is None or position is None or position.epoch != self.position.epoch:
            return None
        version = position.version
        if version == self.position.version:
            return b""
        if version not in self._merged:
            index = next((i for i, patch in enumerate(self._patches) if patch.from_version == version), None)
            if index is None:
                return None
            updates = [patch.update for patch in islice(self._patches, index, None)]
            try:
                update = merged(updates) if len(updates) > 1 else websocket_frame(updates[0])
            except Unmergeable:
                self._let_go()
                return None
            if len(self._merged) == MERGED:
                del self._merged[next(iter(self._merged))]
            self._merged[version] = update
        return self._merged[version]

    def whole(self) -> bytes | None:
        """The snapshot and one update after it, or None if the ring does not reach back to a snapshot."""
        if self._whole is None and self._base is not None and self.position is not None:
            after = self.since(Position(self.position.epoch, self._base_version))
            if after is not None:
                self._whole = self._base + after
        return self._whole

    @property
    def awaits_snapshot(self) -> bool:
        """Whether updates wait that only a snapshot can connect, or what they overtook."""
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
        self._forget_merged()
        return news

    def _append(self, update: Update) -> None:
        self.position = Position(update.epoch, update.to_version)
        self._forget_merged()
        self._patches.append(Patch(update.from_version, update.frame))
        self._ring_bytes += len(update.frame)
        while self._ring_bytes > self._room:
            oldest = self._patches.popleft()
            self._ring_bytes -= len(oldest.update)
            if oldest.from_version >= self._base_version:
                self._base = None

    def _let_go(self) -> None:
        """Begin the ring anew at the chain's end; who stands elsewhere needs a snapshot."""
        self._patches.clear()
        self._ring_bytes = 0
        self._base = None
        self._forget_merged()

    def _hold(self, update: Update) -> None:
        self._held.append(update)
        self._held_bytes += len(update.frame)
        # The oldest may go: a snapshot that does not cover it leaves a gap, which asks for the next snapshot.
        while self._held_bytes > self._room and len(self._held) > 1:
            self._held_bytes -= len(self._held.popleft().frame)

    def _forget_merged(self) -> None:
        self._merged.clear()
        self._whole = None
