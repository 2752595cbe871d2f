"""The driver of Postgres: connections, and what it raises in our words.

Whatever a lost connection looks like in the driver becomes :class:`DatabaseLost`, so that everybody above has one
thing to heal from: begin again.
"""

import contextlib
import re
from collections.abc import Iterator
from typing import TypeAlias

import asyncpg

from .engine import SESSION
from .errors import DatabaseLost, TermEnded

# The driver's class takes a parameter in its stubs alone.
Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"

CONNECT_TIMEOUT = 5.0  # seconds
LOCK_SHARE = 0.2
"""Of the time a batch has, how much one action may wait for a foreign transaction's lock; it is tried again later."""
TRANSIENT = re.compile("40|53|57P0|55P03|25006")
"""SQLSTATEs of faults that pass: serialization, deadlock, resources, shutdown, lock timeout, read-only."""

LOST = (
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.CannotConnectNowError,
    asyncpg.TooManyConnectionsError,
)
"""What the driver calls a lost connection, beside what the system does."""


class _TermEnded(asyncpg.PostgresError):
    """flux.dispatch: the term has ended."""

    sqlstate = "FX002"


class Refused(Exception):
    """The server refused a statement; the connection is whole."""

    def __init__(self, error: asyncpg.PostgresError) -> None:
        super().__init__(f"{error.sqlstate} {error}")
        self.transient = TRANSIENT.match(str(error.sqlstate)) is not None


@contextlib.contextmanager
def translated() -> Iterator[None]:
    """Turn the driver's errors into ours."""
    try:
        yield
    except _TermEnded as error:
        raise TermEnded(str(error)) from error
    except (*LOST, OSError, TimeoutError) as error:
        raise DatabaseLost(str(error) or type(error).__name__) from error
    except asyncpg.PostgresError as error:
        raise Refused(error) from error


async def connect(url: str, *, name: str, statement_timeout: float, durable: bool) -> Connection:
    """Open a connection for statements of the engine.

    Args:
        url: DSN.
        name: What the database calls the connection.
        statement_timeout: How long a statement may run, in seconds.
        durable: Whether what is committed is on disk when that is said, whatever the database's default is.

    Raises:
        DatabaseLost: The database cannot be reached.

    """
    with translated():
        return await asyncpg.connect(
            url,
            timeout=CONNECT_TIMEOUT,
            # The server ends what takes too long; who has not heard of it by then never will.
            command_timeout=2 * statement_timeout,
            server_settings={
                "application_name": name,
                "statement_timeout": str(round(statement_timeout * 1000)),
                "synchronous_commit": "on" if durable else "off",
                "jit": "off",
                "lock_timeout": str(round(LOCK_SHARE * statement_timeout * 1000)),
                **SESSION,
            },
        )
