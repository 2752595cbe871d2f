"""`fluxwire log archive`: the action log in a folder or a bucket, from which a replay reads it.

An archive is a row of files, each with the actions of which its name has the first and the last number, one JSON object
a line, compressed with Zstandard. Beside it stands a file with what was written past the actions meanwhile.
"""

from __future__ import annotations

import gzip
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import IO, TypeAlias, cast

import asyncpg  # noqa: TID251 - the command line's own look into the log
import msgspec

from fluxwire.log.foreign import ForeignWrite, foreign_writes
from fluxwire.log.logged import ExportedLog, Piece, Position, Until
from fluxwire.log.storage import Storage, open_compressed
from fluxwire.stack.errors import StackError

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"

MOST = 250_000
"""Most actions in a file."""
CHUNK = 1_000
"""How many are read in one go."""
NAME = re.compile(r"actions-(\d+)-(\d+)\.ndjson\.zst")

ORIGIN = "select seq, link from flux.origin"
LINK = "select link from flux.action where seq = $1"
LAST = "select max(seq) from flux.action where at < $1"
ENTRIES = "select row_to_json(a)::text from flux.action a where a.seq between $1 and $2 order by a.seq"
NOT_ARCHIVED = "select at from flux.action where seq > $1 order by seq limit 1"
TRIM = "select flux.trim_log(least($1::timestamptz, $2))"


async def archive(connection: Connection, location: str, before: datetime, say: Callable[[str], None]) -> int:
    """Write what is not in an archive yet, and read it back.

    Args:
        connection: To the database.
        location: A folder, or a URL of a bucket.
        before: Only actions before then.
        say: Told of each file that was written and read back.

    Returns:
        The number of the last action that is in the archive now, proved to be what is in the log; 0 for none.

    Raises:
        StackError: It cannot be written or read, or what is in it is not what is in the log.

    """
    storage = Storage(location)
    pieces = _pieces(storage)
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        await connection.execute("set local timezone to 'UTC'")
        row = await connection.fetchrow(ORIGIN)
        assert row is not None
        origin = Position(*row)
        last = await connection.fetchval(LAST, before) or 0
        position = origin
        if pieces:
            end = pieces[-1].last or 0
            if end < origin.seq:
                raise StackError(f"Actions {end + 1} to {origin.seq} are neither in the archive nor in the log.")
            if end > origin.seq:
                position = Position(end, await connection.fetchval(LINK, end) or b"")
            # What is dropped once it is in the archive is what the archive has, not what its name says.
            await _check(pieces[-1], position)
        while position.seq < last:
            end = min(position.seq + MOST, last)
            name = f"actions-{position.seq + 1:012}-{end:012}.ndjson.zst"
            writes = await foreign_writes(connection, position.seq, end - 1)
            if writes:
                with storage.write(name.replace("actions", "foreign")) as file:
                    file.write(b"".join(msgspec.json.encode(write) + b"\n" for write in writes))
            with storage.write(name) as file:
                cursor = await connection.cursor(ENTRIES, position.seq + 1, end)
                while rows := await cursor.fetch(CHUNK):
                    file.write("".join(f"{row[0]}\n" for row in rows).encode())
            position = await _read_back(_piece(storage, name), position)
            if position.link != await connection.fetchval(LINK, end):
                raise StackError(f"{name} does not end where the log does; drop nothing.")
            say(f"{name}: written and read back")
    return position.seq


async def _check(piece: Piece, end: Position) -> None:
    """Make sure that a file that was there ends with what the log has there."""
    entry = None
    async for entries in ExportedLog([piece]).read(end.seq, Until()):
        entry = entries[-1]
    if entry is None or entry.link != end.link:
        raise StackError(
            f"{piece.name} ends with another action {end.seq} than the log has.", "Is it another database's?"
        )


async def _read_back(piece: Piece, position: Position) -> Position:
    async for entries in ExportedLog([piece]).read(0, Until()):
        position = position.before(entries)
    return position


async def trim(connection: Connection, before: datetime, archived: int) -> int:
    """Drop the months that ended before a time and are in the archive as a whole; returns how many."""
    # Apart: a table that a statement reads cannot be dropped by it.
    first = await connection.fetchval(NOT_ARCHIVED, archived)
    return int(await connection.fetchval(TRIM, before, first))


def exported(location: str) -> ExportedLog:
    """Find a log: in an archive, or in a file that ends with .ndjson, .ndjson.gz or .ndjson.zst.

    Raises:
        StackError: There is none.

    """
    path = Path(location)
    if path.is_file():
        return ExportedLog([Piece(location, lambda: _open(path))])
    if "://" not in location and not path.is_dir():
        raise StackError(f"There is no log at {location}.")
    pieces = _pieces(Storage(location))
    if not pieces:
        raise StackError(f"There is no log in {location}.", "It has no files like actions-…-….ndjson.zst.")
    return ExportedLog(pieces)


def foreign_in(location: str, first: int, last: int) -> list[ForeignWrite]:
    """Look up what was written past the actions, as an archive has it.

    Args:
        location: Of the archive; a file has nothing of it.
        first: The number of the action after which the first of them came.
        last: And the last.

    """
    if Path(location).is_file():
        return []
    storage = Storage(location)
    found: list[ForeignWrite] = []
    for name in storage.names():
        if name.startswith("foreign-"):
            with storage.read(name) as lines:
                found += [msgspec.json.decode(line, type=ForeignWrite) for line in lines]
    return [write for write in found if first <= write.seq <= last]


def _pieces(storage: Storage) -> list[Piece]:
    return [_piece(storage, name) for name in storage.names() if NAME.fullmatch(name)]


def _piece(storage: Storage, name: str) -> Piece:
    found = NAME.fullmatch(name)
    assert found is not None
    return Piece(name, lambda: storage.read(name), int(found[2]))


@contextmanager
def _open(path: Path) -> Iterator[IO[bytes]]:
    with cast("IO[bytes]", gzip.open(path)) if path.suffix == ".gz" else path.open("rb") as file:
        yield open_compressed(file) if path.suffix == ".zst" else file
