"""Who leads: one multiplexer works, any number stand by.

A leader gives a sign of life in the database; after a silence a standby raises the term, which ends everything the
old one might still commit: ``flux.dispatch`` holds the term's row for share while a batch runs.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from .database import Database

log = logging.getLogger("multiplexer.leadership")


async def take_lead(
    database: Database, *, name: str, heartbeat: float, patience: float, able: Callable[[], Awaitable[bool]]
) -> int:
    """Stand by until the lead is free, and take it.

    Args:
        database: Its connections.
        name: This multiplexer's name.
        heartbeat: How often to look, in seconds.
        patience: After how long a silence the lead is free, in seconds.
        able: Tells whether this multiplexer could do anything with the lead.

    Returns:
        The term that this multiplexer leads now.

    """
    standing_by = False
    while True:
        term, silence, leader = await database.leader()
        # One that led before and has come back need not wait for its own silence.
        if (silence > patience or leader == name) and await able():
            taken = await database.take_lead(term, name)
            if taken is not None:
                log.info("leads term %d", taken)
                return taken
        if not standing_by:
            log.info("stands by; %s leads term %d", leader, term)
            standing_by = True
        await asyncio.sleep(heartbeat)


async def keep_lead(database: Database, *, term: int, heartbeat: float) -> None:
    """Give signs of life for ever.

    Raises:
        TermEnded: Another multiplexer leads.
        DatabaseLost: The database does not answer.

    """
    while True:
        await database.beat(term)
        await asyncio.sleep(heartbeat)
