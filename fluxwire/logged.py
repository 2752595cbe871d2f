"""Actions as the log has them, out of a database or an export."""

from __future__ import annotations

import gzip
from collections.abc import AsyncIterator
from datetime import datetime
from pathlib import Path
from typing import Any

import asyncpg  # noqa: TID251 - the command line's own look into the log
import msgspec

from fluxwire.stack.errors import StackError

CHUNK = 1_000
"""How many are read in one go."""

ENTRIES = """
select seq, actor, claims, client, lane, number, name, params, at, seed, status, reply::text as reply, code, sqlstate,
  positions::text as positions
from flux.action
where ($1::bigint is null or seq <= $1) and ($2::timestamptz is null or at <= $2)
order by seq
"""
COUNT = """
select count(*) from flux.action where ($1::bigint is null or seq <= $1) and ($2::timestamptz is null or at <= $2)
"""


def value(text: str | None) -> Any:  # noqa: ANN401 - any JSON
    """What a reply says, as the database gives it."""
    return None if text is None else msgspec.json.decode(text)


class Logged(msgspec.Struct, frozen=True):
    """An action that used its number: what it was, and what came of it."""

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
    reply: Any
    code: str | None
    sqlstate: str | None
    positions: Any = None
    """Where the sequences stood that it moved."""

    @property
    def identity(self) -> tuple[str, str, int, int]:
        """Actor, client, lane and number: what makes it this one and no other."""
        return self.actor, self.client, self.lane, self.number

    @property
    def refusal(self) -> str | None:
        """The code it was refused with without having been run, if it was."""
        return self.code if self.status == "refused" and self.sqlstate is None else None

    def __str__(self) -> str:
        """Say which it is."""
        return f"Action {self.seq} ({self.name}, number {self.number} of {self.actor!r})"


class Until(msgspec.Struct, frozen=True):
    """Where to end: behind a number in the log, behind a time, or at the log's end."""

    seq: int | None = None
    at: datetime | None = None

    def takes(self, entry: Logged) -> bool:
        """Whether an action is to be taken."""
        return (self.seq is None or entry.seq <= self.seq) and (self.at is None or entry.at <= self.at)


class DatabaseLog:
    """The log in a database.

    Args:
        connection: To it, in a transaction for as long as the log is read.

    """

    def __init__(self, connection: asyncpg.Connection[asyncpg.Record]) -> None:
        self._connection = connection

    async def count(self, until: Until) -> int:
        """How many actions there are."""
        return int(await self._connection.fetchval(COUNT, until.seq, until.at))

    async def read(self, until: Until) -> AsyncIterator[Logged]:
        """Go through it, oldest first."""
        async for row in self._connection.cursor(ENTRIES, until.seq, until.at, prefetch=CHUNK):
            yield Logged(**{**row, "reply": value(row["reply"]), "positions": value(row["positions"])})


class ExportedLog:
    """A log as ``fluxwire log --ndjson`` writes it.

    Args:
        path: The file, .ndjson or .ndjson.gz.

    """

    def __init__(self, path: Path) -> None:
        self._path = path

    async def count(self, until: Until) -> int:
        """How many actions there are."""
        return sum([1 async for _ in self.read(until)])

    async def read(self, until: Until) -> AsyncIterator[Logged]:
        """Go through it, oldest first.

        Raises:
            StackError: A line is no action, or the file cannot be read.

        """
        opener = gzip.open if self._path.suffix == ".gz" else open
        decoder = msgspec.json.Decoder(Logged)
        try:
            with opener(self._path, "rb") as lines:
                for number, line in enumerate(lines, 1):
                    try:
                        entry = decoder.decode(line)
                    except (msgspec.MsgspecError, ValueError) as exc:
                        raise StackError(f"{self._path}:{number} is no action of a log.", str(exc)) from None
                    if until.takes(entry):
                        yield entry
        except (OSError, EOFError) as exc:
            raise StackError(f"{self._path} cannot be read.", str(exc)) from exc
