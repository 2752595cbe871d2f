"""What was written past the actions, as the watches recorded it: no replay can know of it.

In an export or an archive it is a line of its own, ``{"foreign_write": {…}}``, behind the action that it came after.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime

import asyncpg  # noqa: TID251 - the command line's own look into the database
import msgspec

SHOWN = 10
"""How many are told."""
FOREIGN = b'{"foreign_write":'
"""How its line begins; that of an action begins otherwise."""
LATE = 1_000
"""So many ids may be given out while one commits."""
WRITES = """
select seq, written_at, role, application, source, item, rows, stores from flux.foreign_write
where seq >= $1 and seq <= $2 order by id
"""
NEWS = """
select seq, written_at, role, application, source, item, rows, stores, id from flux.foreign_write
where seq >= $1 and id > $2 and id <> all ($3::bigint[]) order by id
"""


class ForeignWrite(msgspec.Struct, frozen=True):
    """Rows of one watched table that one transaction wrote past the actions."""

    seq: int
    """The newest action then."""
    written_at: datetime
    role: str
    application: str
    source: str | None
    """The table; None for a store that was touched or patched by hand."""
    item: str | None
    """The row's key; None for more rows than were written down one by one."""
    rows: int
    stores: list[str]

    def __str__(self) -> str:
        """Say who wrote what, and where it shows."""
        by = f"{self.role} ({self.application})" if self.application else self.role
        row = f"{self.rows} rows" if self.item is None else f"row {self.item}" if self.item else "a row"
        what = f"{row} of {self.source}" if self.source else "no table"
        return (
            f"after action {self.seq}, {self.written_at:%Y-%m-%d %H:%M:%S}Z, {by}: {what}, in {', '.join(self.stores)}"
        )


class _Line(msgspec.Struct, frozen=True):
    foreign_write: ForeignWrite


def line_of(write: ForeignWrite) -> str:
    """Put one into a line."""
    return f"{msgspec.json.encode(_Line(write)).decode()}\n"


def foreign_write_of(line: bytes) -> ForeignWrite:
    """Read one from its line.

    Raises:
        msgspec.MsgspecError: It has none.

    """
    return msgspec.json.decode(line, type=_Line).foreign_write


class Between:
    """Gives what was written past the actions as lines, each when its turn among these has come.

    Args:
        writes: In their order.

    """

    def __init__(self, writes: Iterable[ForeignWrite]) -> None:
        self._coming = deque(writes)

    def before(self, seq: int) -> str:
        """Take what came before an action."""
        return "".join(self._taken(lambda write: write.seq < seq))

    def rest(self) -> str:
        """Take what came behind the last one."""
        return "".join(self._taken(lambda _: True))

    def _taken(self, wanted: Callable[[ForeignWrite], bool]) -> Iterator[str]:
        while self._coming and wanted(self._coming[0]):
            yield line_of(self._coming.popleft())


class Following:
    """Finds what was written past the actions since it was last asked.

    Args:
        connection: To the database.
        first: The number of the action behind which to begin.

    """

    def __init__(self, connection: asyncpg.Connection[asyncpg.Record], first: int) -> None:
        self._connection = connection
        self._first = first
        self._seen: set[int] = set()

    async def news(self) -> list[ForeignWrite]:
        """Look up what there is beside what was found before."""
        # Ids are not committed in the order in which they are given out: one that is late is below the newest.
        since = max(self._seen, default=0) - LATE
        self._seen = {number for number in self._seen if number > since}
        rows = await self._connection.fetch(NEWS, self._first, since, list(self._seen))
        self._seen |= {row["id"] for row in rows}
        return [ForeignWrite(*tuple(row)[:-1]) for row in rows]


async def foreign_writes(connection: asyncpg.Connection[asyncpg.Record], first: int, last: int) -> list[ForeignWrite]:
    """Look up what was written past the actions.

    Args:
        connection: To the database.
        first: The number of the action after which the first of them came.
        last: And the last.

    """
    return [ForeignWrite(*row) for row in await connection.fetch(WRITES, first, last)]


def told(writes: list[ForeignWrite]) -> list[str]:
    """Say what was written past the actions, a line each."""
    if not writes:
        return []
    lines = ["Written past the actions, and so not replayed:", *(f"  {write}" for write in writes[:SHOWN])]
    return lines + ([f"  and {len(writes) - SHOWN} more (flux.foreign_write)"] if len(writes) > SHOWN else [])
