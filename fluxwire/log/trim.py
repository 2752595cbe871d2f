"""`fluxwire log trim`: drop the log's old months, as far as they are kept elsewhere."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from fluxwire.log.baseline import Baseline
from fluxwire.stack.database import Connection
from fluxwire.stack.errors import StackError

# Of the months that ended before a time.
LAST = "select max(seq) from flux.action where at < date_trunc('month', $1::timestamptz, 'UTC')"
LINK = """
select link from flux.action where seq = $1 union all select link from flux.origin where seq = $1 limit 1
"""
TRIM = "select flux.trim_log($1)"


async def trim(connection: Connection, before: datetime, kept: int | None) -> int:
    """Drop the months that ended before a time.

    Args:
        connection: To the database.
        before: The time.
        kept: The number of the last action that is kept elsewhere; None for whatever is to go for good.

    Returns:
        How many months were dropped.

    Raises:
        StackError: Some of it would be lost; nothing is dropped then.

    """
    last = await connection.fetchval(LAST, before)
    if kept is not None and last is not None and last > kept:
        raise StackError(
            f"Actions up to {last} would be dropped, and those from {kept + 1} on would be lost: "
            "no archive and no baseline that was named has them. Nothing was dropped.",
            "Keep them: fluxwire log archive --to WHERE --trim. Say where they are: --archive WHERE or "
            "--baseline FOLDER. Or drop them --for-good.",
        )
    return int(await connection.fetchval(TRIM, before))


async def covered(connection: Connection, folder: Path) -> int:
    """Tell the number of the last action whose effects are in a baseline of this database.

    Args:
        connection: To the database.
        folder: Of the baseline.

    Raises:
        StackError: It is not whole, or of another database.

    """
    found = Baseline.read(folder)
    link = await connection.fetchval(LINK, found.seq)
    if link is not None and link.hex() == found.link:
        return found.seq
    raise StackError(f"The baseline in {folder} is of another database: action {found.seq} is not the same here.")
