"""Commits into updates: which are to be told, what they changed, and what fronts are told of it.

What batches of actions changed comes with their outcomes. Other commits ring a doorbell, which names a transaction and
is not believed: any role can ring. What counts is what stands in ``flux.patch``.
"""

import asyncio
import contextlib
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby

import msgspec

from broker.messages import Commit, Gone, Kick, MultiplexerMessage, Recheck, Snapshot, Update
from broker.traces import Span

from .documents import Documents
from .engine import Part, Patch, Rendered
from .holders import Audience, Holders
from .numbers import unfit
from .reader import TOGETHER, Reader
from .renderer import difference, fit, gone, snapshot, update
from .tracing import Tracing

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


@dataclass(slots=True)
class Told:
    """What is to be told: to all fronts, or to single ones, by front id. In commit order."""

    everyone: list[MultiplexerMessage] = field(default_factory=list)
    fronts: dict[str, list[MultiplexerMessage]] = field(default_factory=dict)
    commits: int = 0
    updates: int = 0
    spans: list[Span] = field(default_factory=list)
    """To be ended when it is told."""

    def tell(self, audience: Audience, messages: Sequence[MultiplexerMessage], commit: Commit) -> None:
        """Add messages and the updates of one commit, which stay together."""
        if commit.updates:
            self.commits += 1
            self.updates += len(commit.updates)
        if not audience.apart:
            self.everyone += [*messages, commit] if commit.updates else messages
            return
        found = audience.found
        for message in messages:
            self.tell_only(message, found.stores[message.key] if isinstance(message, Snapshot | Gone) else found.fronts)
        for front in found.fronts:
            theirs = [update for update in commit.updates if front in found.stores[update.key]]
            if theirs:
                self.tell_only(msgspec.structs.replace(commit, updates=theirs), [front])

    def tell_only(self, message: MultiplexerMessage, fronts: Iterable[str]) -> None:
        """Add a message for these fronts."""
        for front in fronts:
            self.fronts.setdefault(front, []).append(message)


class Teller:
    """Finds out what commits changed, and says it in the fewest messages.

    When all stores were touched at once, who may read them is asked anew, and each store that is held is due: it is
    told its difference before anything else of it is told, or else when :meth:`due` comes to it, a few at a time, so
    that others wait for a few renders at most.

    Args:
        reader: Where the patches are, and where stores are rendered.
        documents: What fronts hold.
        holders: Who holds the stores; what nobody holds is not told.
        tracing: Knows which commits are traced; none if left out.

    """

    def __init__(
        self, *, reader: Reader, documents: Documents, holders: Holders, tracing: Tracing | None = None
    ) -> None:
        self._reader = reader
        self._tracing = tracing
        self._documents = documents
        self._holders = holders
        self._due: dict[str, None] = {}
        self._base = -1
        self.waits = False
        """Whether something due could not be told just now."""

    @property
    def has_due(self) -> bool:
        """Whether there is anything for :meth:`due`."""
        return bool(self._due)

    def knows(self, patches: Iterable[Patch]) -> bool:
        """Whether nobody has to be asked what to tell of these commits, and to whom."""
        return all(
            patch.is_change and patch.ops is not None and patch.key not in self._due and self._holders.know(patch.key)
            for patch in patches
        )

    async def commits(self, heard: Mapping[Part, Heard]) -> Told:
        """Tell what these commits changed.

        Raises:
            BusLost: It is not known who is to be told; nothing has happened.

        """
        patches = await self._read(heard)
        audience = await self._holders.find(
            {patch.key for patch in patches if patch.is_change and patch.key},
            {patch.key for patch in patches if patch.kick is not None},
        )
        told = Told()
        for one in heard.values():
            changes = one.patches or ()
            for change in changes:
                if change.kick is not None:
                    told.tell_only(Kick(change.key, change.kick), audience.found.actors.get(change.key, ()))
            # Before the updates: who lost the right to read by this commit is not shown what it did.
            messages: list[MultiplexerMessage] = [Recheck(change.key) for change in changes if change.recheck]
            updates: list[Update] = []
            for change in changes:
                if not change.is_change:
                    continue
                if not change.key:
                    messages += self._everything(change.to_version)
                    continue
                if change.key not in audience.held:
                    self._documents.forget(change.key)
                    self._due.pop(change.key, None)
                    continue
                moved = await self._moved(change)
                if isinstance(moved, Update):
                    updates.append(moved)
                elif moved is not None:
                    messages.append(moved)
            spans = self._tracing.told(updates, one.at) if self._tracing is not None else []
            told.spans += spans
            told.tell(audience, messages, Commit(updates, one.at, [span.context for span in spans]))
        return told

    async def _read(self, heard: Mapping[Part, Heard]) -> list[Patch]:
        if unread := {part: one for part, one in heard.items() if one.patches is None}:
            read = await self._reader.patches([transaction for transaction, _ in unread])
            for part, one in unread.items():
                one.patches = [patch for patch in read if (patch.tx, patch.rings) == part]
        return [patch for one in heard.values() for patch in one.patches or ()]

    async def due(self) -> Told:
        """Tell some of what is due.

        Raises:
            BusLost: It is not known who is to be told; nothing has happened.

        """
        keys = list(self._due)[:TOGETHER]
        audience = await self._holders.find(keys)
        for key in keys:
            del self._due[key]
        self.waits = False
        told = Told()
        for one in await self._rendered({key: None for key in keys if key in audience.held}):
            if isinstance(one, Update):
                told.tell(audience, [], Commit([one]))
            else:
                told.tell(audience, [one], Commit([]))
        return told

    def _everything(self, base: int) -> list[MultiplexerMessage]:
        self._base = base
        named = self._holders.all_named()
        self._due |= dict.fromkeys(key for key in named if not self._documents.knows_base(key, base))
        return [Recheck(name) for name in dict.fromkeys(key.partition("{")[0] for key in named)]

    async def _moved(self, change: Patch) -> Update | Snapshot | Gone | None:
        """Make of a patch what is told of it."""
        if self._documents.knows(change.key, change.to_version):
            return None
        if change.ops is None or change.key in self._due:
            told = await self._rendered({change.key: None if change.key in self._due else change.from_version})
            self._due.pop(change.key, None)
            return told[0] if told else None
        ops = change.ops.encode()
        if number := unfit(ops):
            self._documents.forget(change.key)
            return gone(change.key, f"no client can hold the number {number}")
        self._documents.moved(change.key, change.epoch, change.from_version, change.to_version, ops)
        return update(change.key, change.epoch, change.from_version, change.to_version, ops)

    async def _rendered(self, stores: Mapping[str, int | None]) -> list[Update | Snapshot | Gone]:
        """Render stores, and tell how that differs from what fronts hold.

        Args:
            stores: Keys, and the version at which fronts hold each, if the commit says so.

        """
        told: list[Update | Snapshot | Gone] = []
        for one in await self._reader.render(list(stores)):
            after = fit(one)
            if isinstance(after, Rendered):
                before = self._documents.last(after.key)
                self._documents.told(after)
                if before is not None and self._leads_to(before, stores[after.key], after):
                    told.append(difference(before, after))
                else:
                    told.append(snapshot(after))
            elif after is None:
                # Until then it is not known what fronts make of later patches.
                self._due[one.key] = None
                self.waits = True
            else:
                self._documents.forget(after.key)
                told.append(after)
        return told

    def _leads_to(self, before: Rendered, version: int | None, after: Rendered) -> bool:
        """Tell whether a document is that from which fronts come."""
        if before.epoch != after.epoch:
            return False
        # Fetched after all were touched, it is news to the others as well.
        return before.base < self._base if version is None else before.version == version
