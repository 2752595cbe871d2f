"""`fluxwire log archive`: the action log in a folder or a bucket, from which a replay reads it.

An archive is a row of files, each with the actions of which its name has the first and the last number, one JSON object
a line, compressed with Zstandard. What was written past the actions stands between them.
"""

from __future__ import annotations

import gzip
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import IO, cast

from fluxwire.log.foreign import Between, foreign_writes
from fluxwire.log.logged import ExportedLog, Piece, Position, Until
from fluxwire.log.storage import Storage, open_compressed
from fluxwire.stack.database import Connection
from fluxwire.stack.errors import StackError

MOST = 250_000
"""Most actions in a file."""
CHUNK = 1_000
"""How many are read in one go."""
NAME = re.compile(r"actions-(\d+)-(\d+)\.ndjson\.zst")

ORIGIN = "select seq, link from flux.origin"
LINK = "select link from flux.action where seq = $1"
LAST = "select max(seq) from flux.action where at < $1"
ENTRIES = "select a.seq, row_to_json(a)::text from flux.action a where a.seq between $1 and $2 order by a.seq"


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
        position = await _end(connection, pieces)
        last = await connection.fetchval(LAST, before) or 0
        while position.seq < last:
            end = min(position.seq + MOST, last)
            name = f"actions-{position.seq + 1:012}-{end:012}.ndjson.zst"
            between = Between(await foreign_writes(connection, position.seq, end - 1))
            with storage.write(name) as file:
                cursor = await connection.cursor(ENTRIES, position.seq + 1, end)
                while rows := await cursor.fetch(CHUNK):
                    file.write("".join(f"{between.before(seq)}{entry}\n" for seq, entry in rows).encode())
            position = await _read_back(_piece(storage, name), position)
            if position.link != await connection.fetchval(LINK, end):
                raise StackError(f"{name} does not end where the log does; drop nothing.")
            say(f"{name}: written and read back")
    return position.seq


async def archived(connection: Connection, location: str) -> int:
    """Tell the number of the last action that is in an archive, proved to be what is in the log.

    Args:
        connection: To the database.
        location: A folder, or a URL of a bucket.

    Raises:
        StackError: It cannot be read, or what is in it is not what is in the log.

    """
    return (await _end(connection, _pieces(Storage(location)))).seq


async def _end(connection: Connection, pieces: list[Piece]) -> Position:
    """Tell where an archive ends; what is dropped once it is there is what it has, not what its names say."""
    row = await connection.fetchrow(ORIGIN)
    assert row is not None
    position = Position(*row)
    for piece, following in pairwise(pieces):
        if piece.last is not None and following.first != piece.last + 1:
            raise StackError(f"The archive has a gap: between {piece.name} and {following.name}.")
    if pieces:
        end = pieces[-1].last or 0
        if end < position.seq:
            raise StackError(f"Actions {end + 1} to {position.seq} are neither in the archive nor in the log.")
        if end > position.seq:
            position = Position(end, await connection.fetchval(LINK, end) or b"")
        await _check(pieces[-1], position)
    return position


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


def _pieces(storage: Storage) -> list[Piece]:
    return [_piece(storage, name) for name in storage.names() if NAME.fullmatch(name)]


def _piece(storage: Storage, name: str) -> Piece:
    found = NAME.fullmatch(name)
    assert found is not None
    return Piece(name, lambda: storage.read(name), int(found[1]), int(found[2]))


@contextmanager
def _open(path: Path) -> Iterator[IO[bytes]]:
    with cast("IO[bytes]", gzip.open(path)) if path.suffix == ".gz" else path.open("rb") as file:
        yield open_compressed(file) if path.suffix == ".zst" else file
