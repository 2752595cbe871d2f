"""A connection to a fresh database, and short words for what SQL tests do with it."""

from collections.abc import AsyncIterator

import pytest

from .database import Sql


@pytest.fixture
async def sql(database: str) -> AsyncIterator[Sql]:
    """A connection to a database with the engine and the chat, on each Postgres."""
    async with Sql.connect(database) as connected:
        yield connected
