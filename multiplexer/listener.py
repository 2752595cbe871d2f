"""Doorbells into updates: which transactions rang, what they changed, and what fronts are told of it.

A doorbell names a transaction and is not believed: any role can ring. What counts is what stands in ``flux.patch``.
"""

import asyncio
from collections.abc import Callable, Sequence
from itertools import groupby

from broker.messages import Commit, Gone, MultiplexerMessage, Recheck, Snapshot, Update

from .database import Patch, Reader
from .numbers import unfit
from .renderer import Differ, gone, update

MAX_BELLS = 512
"""Most transactions whose patches are read in one go."""


class Doorbells:
    """The doorbells that have rung and were not answered yet, in the order of the commits."""

    def __init__(self) -> None:
        self._rung: dict[int, None] = {}
        self._any = asyncio.Event()

    def ring(self, payload: str) -> None:
        """Take a doorbell; one that does not name a transaction is somebody else's joke."""
        if payload.isascii() and payload.isdecimal() and len(payload) <= 18:  # noqa: PLR2004 -- digits that fit in a bigint
            self._rung.setdefault(int(payload))
            self._any.set()

    async def wait(self) -> list[int]:
        """Wait for doorbells and take them all."""
        await self._any.wait()
        rung = list(self._rung)[:MAX_BELLS]
        for transaction in rung:
            del self._rung[transaction]
        if not self._rung:
            self._any.clear()
        return rung


async def answer(
    transactions: Sequence[int], *, reader: Reader, differ: Differ, held: Callable[[str], bool]
) -> list[MultiplexerMessage]:
    """Find out what these commits changed, and say it in the fewest messages.

    Args:
        transactions: Transaction ids, in commit order.
        reader: Where the patches are.
        differ: Finds the difference of what was only touched.
        held: Whether any front holds a store; what nobody holds is not told.

    Returns:
        Messages for all fronts, in commit order.

    """
    messages: list[MultiplexerMessage] = []
    patches = [patch for patch in await reader.patches(transactions) if patch.recheck or held(patch.key)]
    for _, commit in groupby(patches, key=lambda patch: patch.tx):
        updates: list[Update] = []
        changes = list(commit)
        # Before the updates: who lost the right to read by this commit is not shown what it did.
        messages += [Recheck(change.key) for change in changes if change.recheck]
        for patch in changes:
            if patch.recheck:
                continue
            moved = await _told(patch, differ)
            if isinstance(moved, Update):
                updates.append(moved)
            elif moved is not None:
                messages.append(moved)
        if updates:
            messages.append(Commit(updates))
    return messages


async def _told(patch: Patch, differ: Differ) -> Update | Snapshot | Gone | None:
    """Make of a patch what is told of it."""
    if patch.ops is None:
        return await differ.difference(patch.key, patch.to_version)
    differ.forget(patch.key)
    ops = patch.ops.encode()
    if number := unfit(ops):
        return gone(patch.key, f"no client can hold the number {number}")
    return update(patch.key, patch.epoch, patch.from_version, patch.to_version, ops)
