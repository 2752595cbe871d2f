"""The database a command looks into: DATABASE_URL, or that of the running stack."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TypeAlias

import asyncpg  # noqa: TID251 - the command line's own look into the database

from fluxwire.stack import account, state
from fluxwire.stack.errors import StackError
from fluxwire.stack.folder import choose

# The driver's class takes a parameter in its stubs alone.
Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"

DRIVER_ERRORS = (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError)
"""Whatever a call of the driver may raise; the last, where the server goes while the driver is at work."""


def database_url(data: Path | None) -> str:
    """Return the DSN of the database to look into.

    Args:
        data: The data folder the person at the terminal asks for, or None.

    Raises:
        StackError: DATABASE_URL is not set, and no stack is running.

    """
    return os.environ.get("DATABASE_URL") or state.running(choose(data, account.for_postgres())).database_url


@asynccontextmanager
async def connect(url: str) -> AsyncIterator[Connection]:
    """Connect to a database that has Fluxwire in it.

    Raises:
        StackError: It cannot be reached, or nothing was deployed to it.

    """
    try:
        connection = await asyncpg.connect(url)
    except DRIVER_ERRORS as exc:
        raise StackError("The database cannot be reached.", str(exc)) from exc
    try:
        yield connection
    except (asyncpg.UndefinedTableError, asyncpg.InvalidSchemaNameError) as exc:
        raise StackError(
            "The database has no Fluxwire of this version in it.", "Bring it there: fluxwire deploy"
        ) from exc
    finally:
        await connection.close()
