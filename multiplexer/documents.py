"""What fronts hold, as far as it was seen here: documents rendered for them, and the patches they were told since.

A store that was touched says that it moved and not how: the difference to the document kept here is its patch.
Bounded: what is let go of costs a snapshot where a patch would have done, and nothing else. Pure.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import orjson

from broker import patch

from .engine import Rendered

MOST_BYTES = 64 * 1024 * 1024
"""Most bytes kept, of documents and patches together; what was used longest ago goes first."""

ROOM = 65_536
"""So many bytes of patches, or as many as the document has, gather before they are applied, which costs little then."""

SOON = 10.0
"""A store for which they gather sooner is let go of, in seconds: to whom so much is told a snapshot is nothing."""


@dataclass(slots=True)
class Kept:
    """One store."""

    rendered: Rendered
    version: int
    """Where the patches lead."""
    since: float
    """From when on the patches have gathered, in seconds."""
    told: int
    """Up to which version fronts were told by a document rendered here, whatever doorbells have yet to come."""
    patches: list[bytes] = field(default_factory=list)
    patch_bytes: int = 0

    @property
    def weight(self) -> int:
        """How much it takes, in bytes."""
        return len(self.rendered.document) + self.patch_bytes


class Documents:
    """Documents by store key.

    Args:
        clock: Seconds of a monotonic clock.
        most: Most bytes kept.

    """

    def __init__(self, *, clock: Callable[[], float], most: int = MOST_BYTES) -> None:
        self._clock = clock
        self._most = most
        self._kept: dict[str, Kept] = {}
        self._bytes = 0

    def fetched(self, rendered: Rendered, *, by_all: bool) -> None:
        """Some fronts were sent this document.

        Args:
            rendered: The document.
            by_all: Whether no others hold the store. What they hold is what is kept here, or is not known.

        """
        if rendered.key not in self._kept:
            if by_all:
                self._keep(Kept(rendered, rendered.version, self._clock(), -1))
            return
        last = self.last(rendered.key)
        if (
            last is not None
            and (last.epoch, last.version) == (rendered.epoch, rendered.version)
            and orjson.loads(last.document) != orjson.loads(rendered.document)
        ):
            # It changed and nobody said so: from this version on fronts come from different documents.
            self.forget(rendered.key)

    def told(self, rendered: Rendered) -> None:
        """All fronts were told how to get to this document, or that they start from it."""
        self.forget(rendered.key)
        self._keep(Kept(rendered, rendered.version, self._clock(), rendered.version))

    def knows(self, key: str, version: int) -> bool:
        """Whether fronts were told of this version by a document rendered later."""
        kept = self._kept.get(key)
        return kept is not None and version <= kept.told

    def knows_base(self, key: str, base: int) -> bool:
        """Whether fronts were told of all stores having been touched so often by a document rendered later."""
        kept = self._kept.get(key)
        return kept is not None and kept.told >= 0 and base <= kept.rendered.base

    def moved(self, key: str, epoch: str, from_version: int, to_version: int, ops: bytes) -> None:
        """All fronts were told this patch."""
        kept = self._kept.get(key)
        if kept is None or (to_version <= kept.version and epoch == kept.rendered.epoch):
            return
        if from_version != kept.version or epoch != kept.rendered.epoch:
            self.forget(key)
            return
        kept.version = to_version
        kept.patches.append(ops)
        kept.patch_bytes += len(ops)
        self._bytes += len(ops)
        if kept.patch_bytes > max(ROOM, len(kept.rendered.document)):
            if self._clock() < kept.since + SOON:
                self.forget(key)
            else:
                self._apply(kept)
        self._let_go()

    def last(self, key: str) -> Rendered | None:
        """The document that fronts hold, if it is kept."""
        kept = self._kept.get(key)
        if kept is not None and kept.patches and not self._apply(kept):
            return None
        return None if kept is None else kept.rendered

    def forget(self, key: str) -> None:
        """Let go of a store."""
        kept = self._kept.pop(key, None)
        if kept is not None:
            self._bytes -= kept.weight

    def _keep(self, kept: Kept) -> None:
        self._kept[kept.rendered.key] = kept
        self._bytes += kept.weight
        self._let_go()

    def _let_go(self) -> None:
        while self._bytes > self._most:
            self.forget(next(iter(self._kept)))

    def _apply(self, kept: Kept) -> bool:
        rendered = kept.rendered
        self.forget(rendered.key)
        try:
            document = _applied(rendered.document, kept.patches)
        except patch.PatchError:
            # Said with flux.patch, and wrong: what fronts make of it is not known.
            return False
        kept.rendered = Rendered(rendered.key, rendered.epoch, rendered.base, kept.version, document)
        kept.patches, kept.patch_bytes, kept.since = [], 0, self._clock()
        self._keep(kept)
        return True


def _applied(document: str, patches: Sequence[bytes]) -> str:
    value = orjson.loads(document)
    for ops in patches:
        value = patch.apply(value, orjson.loads(ops))
    return orjson.dumps(value).decode()
