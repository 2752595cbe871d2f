"""Actions as the log has them, out of a database or an export."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import IO, NamedTuple

import asyncpg  # noqa: TID251 - the command line's own look into the log
import msgspec

from fluxwire.log.foreign import FOREIGN, ForeignWrite, foreign_write_of, foreign_writes
from fluxwire.stack.errors import StackError

CHUNK = 2_000
"""How many are read in one go."""
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)

ENTRIES = """
select seq, actor, claims, client, lane, number, name, params, at, seed, status, reply::text as reply, code, sqlstate,
  positions::text as positions, stores::text as stores, link, deployment
from flux.action
where seq >= $1 and ($2::bigint is null or seq <= $2) and ($3::timestamptz is null or at <= $3)
order by seq
"""
LAST = """
select max(seq) from flux.action
where ($1::bigint is null or seq <= $1) and ($2::timestamptz is null or at <= $2)
"""
LATEST = "select seq from flux.latest()"


class BrokenLog(StackError):
    """A log from which something is missing, or in which something was changed."""


class Logged(msgspec.Struct, frozen=True):
    """An action that used its number: what it was, and what came of it.

    What is jsonb in the log is text here, as Postgres writes it.
    """

    seq: int
    actor: str
    claims: str
    client: str
    lane: int
    number: int
    name: str
    params: str
    at: datetime
    seed: str
    status: str
    reply: str | None
    code: str | None
    sqlstate: str | None
    positions: str | None
    """Where the sequences stood that it moved."""
    stores: str
    """Which stores it touched, and the versions that these had then."""
    link: bytes
    """What chains it to the one before."""
    deployment: int
    """Which functions ran it."""

    @property
    def outcome(self) -> str:
        """The code that it was refused with, or ``ok``."""
        return self.code or self.status

    @property
    def refusal(self) -> str | None:
        """The code it was refused with without having been run, if it was."""
        return self.code if self.status == "refused" and self.sqlstate is None else None

    def link_to(self, previous: bytes) -> bytes:
        """Compute the link that it has if it follows the action of another link, as ``flux.link`` does."""
        texts = (self.actor, self.client, self.name, self.params, self.claims)
        lengths = (len(text.encode()) for text in texts)
        hashed = (
            self.seq, *lengths, *texts, self.lane, self.number, (self.at - EPOCH) // MICROSECOND, self.seed,
            self.status, self.code or "", self.sqlstate or "", self.reply or "null", self.positions or "null",
        )  # fmt: skip
        return sha256(previous + "\n".join(map(str, hashed)).encode()).digest()

    def __str__(self) -> str:
        """Say which it is."""
        return f"Action {self.seq} ({self.name}, number {self.number} of {self.actor!r}, deployment {self.deployment})"


class Until(msgspec.Struct, frozen=True):
    """Where to end: behind a number in the log, behind a time, or at the log's end."""

    seq: int | None = None
    at: datetime | None = None

    def takes(self, action: Logged | Position) -> bool:
        """Whether an action, or the one at which something stands, is to be taken."""
        return (self.seq is None or action.seq <= self.seq) and (
            self.at is None or action.at is None or action.at <= self.at
        )


class Position(msgspec.Struct, frozen=True):
    """Where a log stands: the number, the link and the time of an action, or of none before the first."""

    seq: int = 0
    link: bytes = b""
    at: datetime | None = None

    def before(self, entries: Sequence[Logged]) -> Position:
        """Check that actions follow, each on the one before it; returns the position behind them.

        Raises:
            BrokenLog: Something is missing or was changed.

        """
        seq, link, at = self.seq, self.link, self.at
        for entry in entries:
            if entry.seq != seq + 1:
                raise BrokenLog(
                    f"The log has a gap: after action {seq} comes action {entry.seq}.",
                    "Nothing behind it was replayed. A baseline, an archive or an export may have what is missing.",
                )
            link = entry.link_to(link)
            if entry.link != link:
                raise BrokenLog(
                    f"{entry} is not what was logged, or does not follow on the one before: its link does not fit.",
                    "Somebody edited the log, or it is of another history. Take an archive or an export of before.",
                )
            seq, at = entry.seq, entry.at
        return Position(seq, link, at)


class DatabaseLog:
    """The log in a database.

    Args:
        connection: To it, in a transaction for as long as the log is read.

    """

    def __init__(self, connection: asyncpg.Connection[asyncpg.Record]) -> None:
        self._connection = connection

    async def last(self, until: Until) -> int:
        """Tell the number of the last action to take; 0 if there is none."""
        return int(await self._connection.fetchval(LAST, until.seq, until.at) or 0)

    async def read(self, first: int, until: Until) -> AsyncGenerator[list[Logged], None]:
        """Go through it from an action on, some at a time.

        Args:
            first: The number of the first.
            until: Where to end.

        Raises:
            BrokenLog: It ends before that action.

        """
        latest = await self._connection.fetchval(LATEST)
        if latest < first:
            raise BrokenLog(
                f"The log ends with action {latest}, and is to be gone on with behind action {first}.",
                "Is the baseline, or the database to build, of another one?",
            )
        cursor = await self._connection.cursor(ENTRIES, first, until.seq, until.at)
        while rows := await cursor.fetch(CHUNK):
            yield [Logged(*row) for row in rows]

    async def foreign_writes(self, first: int, last: int) -> list[ForeignWrite]:
        """Look up what was written past the actions, from behind one action until behind another."""
        return await foreign_writes(self._connection, first, last)


# What a line of an export says: JSON stays as Postgres wrote it, for the link is of that text.
_AS_WRITTEN = {"reply": msgspec.Raw, "positions": msgspec.Raw, "stores": msgspec.Raw, "link": str}
_Line = msgspec.defstruct(
    "_Line", [(field.name, _AS_WRITTEN.get(field.name, field.type)) for field in msgspec.structs.fields(Logged)]
)


def _logged(line: msgspec.Struct) -> Logged:
    fields = msgspec.structs.asdict(line)
    for name in ("reply", "positions", "stores"):
        text = bytes(fields[name]).decode()
        fields[name] = None if text == "null" else text
    return Logged(**{**fields, "link": bytes.fromhex(fields["link"].removeprefix("\\x"))})


class Piece(NamedTuple):
    """A file with a part of a log."""

    name: str
    open: Callable[[], AbstractContextManager[IO[bytes]]]
    first: int = 0
    """The number of its first action, where it is known."""
    last: int | None = None
    """And of its last one."""


class ExportedLog:
    """A log as ``fluxwire log --ndjson`` and ``fluxwire log archive`` write it.

    Args:
        pieces: The files that it is in, in their order.

    """

    def __init__(self, pieces: Sequence[Piece]) -> None:
        self._pieces = pieces
        self._written: list[ForeignWrite] = []

    async def last(self, until: Until) -> int:
        """Tell the number of the last action to take; 0 if there is none."""
        last = self._pieces[-1].last
        if last is not None and until.at is None:
            return last if until.seq is None else min(last, until.seq)
        last = 0
        async for entries in self.read(0, until):
            last = entries[-1].seq
        return last

    async def read(self, first: int, until: Until) -> AsyncGenerator[list[Logged], None]:
        """Go through it from an action on, some at a time.

        Args:
            first: The number of the first.
            until: Where to end.

        Raises:
            StackError: A line is no action, or a file cannot be read or is not whole.

        """
        self._written = []
        for piece in self._pieces:
            if piece.last is None or piece.last >= first:
                for entries in _chunks(piece, self._written):
                    if taken := [entry for entry in entries if entry.seq >= first and until.takes(entry)]:
                        yield taken

    async def foreign_writes(self, first: int, last: int) -> list[ForeignWrite]:
        """Look up what was written past the actions, from behind one action until behind another.

        Args:
            first: The number of the action from which on the log was just read.
            last: And of the last one that was.

        """
        return [write for write in self._written if first <= write.seq <= last]


def _chunks(piece: Piece, written: list[ForeignWrite]) -> Iterator[list[Logged]]:
    """Read a file, some actions at a time; what was written past them goes to a list."""
    decoder = msgspec.json.Decoder(_Line)
    entries: list[Logged] = []
    last = None
    try:
        with piece.open() as lines:
            for number, line in enumerate(lines, 1):
                try:
                    if line.startswith(FOREIGN):
                        written.append(foreign_write_of(line))
                        continue
                    entries.append(_logged(decoder.decode(line)))
                except (msgspec.MsgspecError, ValueError) as exc:
                    raise StackError(f"{piece.name}:{number} is no action of a log.", str(exc)) from None
                last = entries[-1].seq
                if len(entries) == CHUNK:
                    yield entries
                    entries = []
    except (OSError, EOFError) as exc:
        raise StackError(f"{piece.name} cannot be read.", str(exc)) from exc
    if piece.last not in (None, last):
        raise BrokenLog(f"{piece.name} is not whole: it ends with action {last}.")
    if entries:
        yield entries


Log = DatabaseLog | ExportedLog
