"""Whole documents out of what a subscriber would get: a snapshot, and the updates after it.

A store moves on in patches, so somebody has to apply them for who wants the document alone. That is done once per
version, from the last version that somebody asked for, and kept while there is room.
"""

import gzip
from dataclasses import dataclass, field
from typing import Any

import msgspec
import orjson
from msgspec import UNSET, Raw, UnsetType

from broker import patch
from front.frames import Fault

ROOM = 16 * 1024 * 1024
"""Bytes of documents kept; the one that was asked for longest ago goes first."""

WORTHWHILE = 512
"""Documents shorter than so many bytes are not compressed."""

LEVEL = 4


class Down(msgspec.Struct, rename={"from_version": "from", "to_version": "to"}):
    """A frame as a client would get it, of whatever type."""

    type: str
    store: str = ""
    epoch: str = ""
    version: int = 0
    from_version: int = 0
    to_version: int = 0
    document: Raw | UnsetType = UNSET
    patch: Raw | UnsetType = UNSET
    error: Fault | UnsetType = UNSET


@dataclass(slots=True)
class Document:
    """A store at a version."""

    epoch: str
    version: int
    body: bytes
    _compressed: bytes | None = field(default=None)

    @property
    def compressed(self) -> bytes | None:
        """The body in gzip, made once; None if it is not worth it."""
        if self._compressed is None and len(self.body) >= WORTHWHILE:
            self._compressed = gzip.compress(self.body, LEVEL, mtime=0)
        return self._compressed

    @property
    def weight(self) -> int:
        """What it takes of the room, in bytes."""
        return len(self.body) + len(self._compressed or b"")


class Documents:
    """The documents that were asked for lately, by store key."""

    def __init__(self) -> None:
        self._kept: dict[str, Document] = {}  # asked for longest ago first
        self._weight = 0

    def at(self, subscribed: Down, chain: list[Down]) -> Document:
        """The document of a store as a client has it that got these frames.

        Args:
            subscribed: The answer; it says where the chain ends.
            chain: A snapshot, and the updates that continue it.

        """
        kept = self._kept.pop(subscribed.store, None)
        if kept is not None:
            self._weight -= kept.weight
        document = kept
        if kept is None or (kept.epoch, kept.version) != (subscribed.epoch, subscribed.version):
            document = _walk(kept, chain)
        assert document is not None, "a chain begins with a snapshot"
        self._keep(subscribed.store, document)
        return document

    def _keep(self, key: str, document: Document) -> None:
        _ = document.compressed  # so that its weight is known
        self._kept[key] = document
        self._weight += document.weight
        while self._weight > ROOM and len(self._kept) > 1:
            oldest = next(iter(self._kept))
            self._weight -= self._kept.pop(oldest).weight


def _walk(start: Document | None, chain: list[Down]) -> Document:
    """Apply a chain, from a document that stands on it or from its snapshot."""
    steps = [frame for frame in chain if frame.type == "update"]
    begin = 0
    value: Any = None
    document = start
    if start is not None:
        here = [n for n, s in enumerate(steps) if (s.epoch, s.from_version) == (start.epoch, start.version)]
        if here:
            begin, value = here[0], orjson.loads(start.body)
    if value is None:
        snapshot = next(frame for frame in chain if frame.type == "snapshot")
        assert isinstance(snapshot.document, Raw), "every snapshot has a document"
        document = Document(snapshot.epoch, snapshot.version, bytes(snapshot.document))
        if not steps:
            return document
        value = orjson.loads(document.body)
    for step in steps[begin:]:
        assert isinstance(step.patch, Raw), "every update has a patch"
        value = patch.apply(value, orjson.loads(bytes(step.patch)))
    return Document(steps[-1].epoch, steps[-1].to_version, orjson.dumps(value))
