"""Actions as the log has them, out of a database or an export."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import IO, NamedTuple

import asyncpg  # noqa: TID251 - the command line's own look into the log
import msgspec

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
        hashed = (
            self.seq, *map(len, texts), *texts, self.lane, self.number, (self.at - EPOCH) // MICROSECOND, self.seed,
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

    def takes(self, entry: Logged) -> bool:
        """Whether an action is to be taken."""
        return (self.seq is None or entry.seq <= self.seq) and (self.at is None or entry.at <= self.at)


class Position(msgspec.Struct, frozen=True):
    """Where a log stands: the number and the link of an action, or of none before the first."""

    seq: int = 0
    link: bytes = b""

    def before(self, entries: Sequence[Logged]) -> Position:
        """Check that actions follow, each on the one before it; returns the position behind them.

        Raises:
            BrokenLog: Something is missing or was changed.

        """
        seq, link = self.seq, self.link
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
            seq = entry.seq
        return Position(seq, link)


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

    async def read(self, first: int, until: Until) -> AsyncIterator[list[Logged]]:
        """Go through it from an action on, some at a time.

        Args:
            first: The number of the first.
            until: Where to end.

        """
        cursor = await self._connection.cursor(ENTRIES, first, until.seq, until.at)
        while rows := await cursor.fetch(CHUNK):
            yield [Logged(*row) for row in rows]


class _Line(msgspec.Struct, frozen=True):
    """What a line of an export says; JSON stays as Postgres wrote it, for the link is of that text."""

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
    reply: msgspec.Raw
    code: str | None
    sqlstate: str | None
    positions: msgspec.Raw
    stores: msgspec.Raw
    link: str
    deployment: int

    def logged(self) -> Logged:
        """Turn it into the action."""
        fields = {name: getattr(self, name) for name in self.__struct_fields__}
        for name in ("reply", "positions", "stores"):
            text = bytes(fields[name]).decode()
            fields[name] = None if text == "null" else text
        return Logged(**{**fields, "link": bytes.fromhex(self.link.removeprefix("\\x"))})


class Piece(NamedTuple):
    """A file with a part of a log."""

    name: str
    open: Callable[[], AbstractContextManager[IO[bytes]]]
    last: int | None = None
    """The number of its last action, where it is known."""


class ExportedLog:
    """A log as ``fluxwire log --ndjson`` and ``fluxwire log archive`` write it.

    Args:
        pieces: The files that it is in, in their order.

    """

    def __init__(self, pieces: Sequence[Piece]) -> None:
        self._pieces = pieces

    async def last(self, until: Until) -> int:
        """Tell the number of the last action to take; 0 if there is none."""
        last = 0
        async for entries in self.read(0, until):
            last = entries[-1].seq
        return last

    async def read(self, first: int, until: Until) -> AsyncIterator[list[Logged]]:
        """Go through it from an action on, some at a time.

        Args:
            first: The number of the first.
            until: Where to end.

        Raises:
            StackError: A line is no action, or a file cannot be read or is not whole.

        """
        for piece in self._pieces:
            if piece.last is None or piece.last >= first:
                for entries in _chunks(piece):
                    if taken := [entry for entry in entries if entry.seq >= first and until.takes(entry)]:
                        yield taken


def _chunks(piece: Piece) -> Iterator[list[Logged]]:
    decoder = msgspec.json.Decoder(_Line)
    entries: list[Logged] = []
    last = None
    try:
        with piece.open() as lines:
            for number, line in enumerate(lines, 1):
                try:
                    entries.append(decoder.decode(line).logged())
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
