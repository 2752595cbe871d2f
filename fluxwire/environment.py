"""What beside functions and tables may decide what an action does: is it the same in two databases?"""

from __future__ import annotations

import asyncpg  # noqa: TID251 - the command line's own look into the databases
import msgspec

ENVIRONMENT = "select flux.environment()::text"


async def environment_differs(
    here: asyncpg.Connection[asyncpg.Record], there: asyncpg.Connection[asyncpg.Record]
) -> list[str]:
    """Compare encoding, collation and settings of two databases.

    Args:
        here: To the database whose log is replayed.
        there: To the one that it is replayed into.

    Returns:
        What differs, a sentence each.

    """
    ours, theirs = [msgspec.json.decode(await side.fetchval(ENVIRONMENT)) for side in (here, there)]
    return [
        f"{name} is {ours.get(name)!r} where the log is, and {theirs.get(name)!r} where it is replayed:"
        " what depends on it may come out otherwise."
        for name in sorted(ours.keys() | theirs.keys())
        if ours.get(name) != theirs.get(name)
    ]
