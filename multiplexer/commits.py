"""Which commits are to be told.

What batches of actions changed comes with their outcomes. Other commits ring a doorbell, which names a transaction and
is not believed: any role can ring. What counts is what stands in ``flux.patch``.
"""

import asyncio
import contextlib
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from .engine import Part, Patch

MOST_COMMITS = 512
"""Most transactions that are told in one go."""


@dataclass(slots=True)
class Heard:
    """A commit that fronts are to be told of."""

    at: float
    """When it was heard of first, in seconds since 1970."""
    patches: Sequence[Patch] | None = None
    """None are to be read."""


class Commits:
    """The commits that fronts are to be told of, in their order.

    Args:
        clock: Seconds since 1970.

    """

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._heard: dict[Part, Heard] = {}
        self._taken: set[Part] = set()
        self._told: list[Part] = []
        self._any = asyncio.Event()
        self.any_told = asyncio.Event()
        """Whether there is anything for :meth:`take_told`."""
        self.telling = asyncio.Lock()
        """Held by who tells what he took: what comes later is told later."""

    def ring(self, payload: str) -> None:
        """Take a doorbell; one that does not name a transaction is somebody else's joke."""
        if payload.isascii() and payload.isdecimal() and len(payload) <= 18:  # noqa: PLR2004 -- digits that fit in a bigint
            self.hear((int(payload), True))

    def bring(self, patches: Sequence[Patch]) -> None:
        """Take the patches that came with a batch's outcomes; those of one commit come together."""
        for part, commit in _by_part(patches):
            self.hear(part, commit)

    def are_behind(self, others: Iterable[Part]) -> bool:
        """Whether nothing waits or is being told, and these have been taken: what follows them can be told at once."""
        return not self._heard and not self.telling.locked() and self._taken.issuperset(others)

    def take_brought(self, patches: Sequence[Patch]) -> dict[Part, Heard]:
        """Take the patches that came with a batch's outcomes at once, without :meth:`bring`."""
        heard = {part: Heard(self._clock(), commit) for part, commit in _by_part(patches)}
        self._taken |= heard.keys()
        return heard

    def hear(self, part: Part, patches: Sequence[Patch] | None = None) -> None:
        """Take a commit; without its patches, these are to be read."""
        if part in self._taken:
            return
        heard = self._heard.setdefault(part, Heard(self._clock()))
        if patches is not None:
            heard.patches = patches
        self._any.set()

    async def wait(self, seconds: float | None = None) -> None:
        """Wait for commits, at most so many seconds."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._any.wait()

    def take(self) -> dict[Part, Heard]:
        """Take all commits that wait, up to a bound."""
        heard = {part: self._heard[part] for part in list(self._heard)[:MOST_COMMITS]}
        for part in heard:
            del self._heard[part]
        if not self._heard:
            self._any.clear()
        self._taken |= heard.keys()
        return heard

    def finish(self, parts: Iterable[Part]) -> None:
        """Take note that these were told."""
        self._told += parts
        if self._told:
            self.any_told.set()

    def take_told(self) -> list[Part]:
        """Take those that were told, to forget their patches."""
        told, self._told = self._told, []
        self.any_told.clear()
        return told

    def forget(self, parts: Iterable[Part]) -> None:
        """Take note that their patches are gone; until then they are not heard of again."""
        self._taken.difference_update(parts)


def _by_part(patches: Iterable[Patch]) -> Iterator[tuple[Part, list[Patch]]]:
    return ((part, list(commit)) for part, commit in groupby(patches, key=lambda patch: (patch.tx, patch.rings)))
