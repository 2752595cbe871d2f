"""What was written past the actions, as the watches recorded it: no replay can know of it."""

from __future__ import annotations

from datetime import datetime

import asyncpg  # noqa: TID251 - the command line's own look into the database
import msgspec

SHOWN = 10
"""How many are told."""
WRITES = """
select seq, written_at, role, application, source, item, rows, stores from flux.foreign_write
where seq >= $1 and seq <= $2 order by id
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
