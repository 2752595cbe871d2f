"""Commits into updates: what they changed, and what fronts are told of it."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import msgspec

from broker.messages import Commit, Gone, Kick, MultiplexerMessage, Recheck, Snapshot, Update
from broker.traces import Span

from .commits import Heard
from .documents import Documents
from .engine import Part, Patch, Rendered
from .holders import Audience, Holders
from .numbers import unfit
from .reader import TOGETHER, Reader
from .renderer import difference, fit, gone, snapshot, update
from .tracing import Tracing


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
