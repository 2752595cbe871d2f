"""Whether the engine in the database and a multiplexer go together."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg
import pytest

from broker.memory_bus import MemoryBus
from broker.messages import Lead
from fluxwire.deploy import DeployError, deploy
from multiplexer.engine import ENGINE
from multiplexer.loop import Multiplexer
from multiplexer.settings import Settings

from .conftest import Front


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look again soon."""
    monkeypatch.setattr("multiplexer.loop.UNFIT", 0.1)


@asynccontextmanager
async def started(url: str, caplog: pytest.LogCaptureFixture) -> AsyncIterator[Front]:
    """A multiplexer, and a front that hears when it leads."""
    caplog.set_level("INFO")
    memory = MemoryBus(quiet=0.05)
    bus = memory.front("f1")
    await bus.start()
    settings = Settings(database_url=url, redis_url="", heartbeat=0.1, patience=0.3)
    running = asyncio.create_task(Multiplexer(settings, memory.multiplexer()).run())
    yield Front(bus, "f1")
    running.cancel()
    await asyncio.wait([running])


async def is_of(url: str, version: int, oldest: int) -> None:
    """Let the engine say that it is of another version."""
    connection = await asyncpg.connect(url)
    await connection.execute(
        "create or replace function flux.engine(out version integer, out oldest integer)"
        f" language sql immutable as 'select {version}, {oldest}'"
    )
    await connection.close()


async def said(caplog: pytest.LogCaptureFixture, text: str) -> None:
    async with asyncio.timeout(15):
        while text not in caplog.text:
            await asyncio.to_thread(lambda: None)


async def test_the_engine_is_the_one_that_is_asked_for(database18: str) -> None:
    """The number in sql/functions/engine.sql is the multiplexer's."""
    connection = await asyncpg.connect(database18)
    assert await connection.fetchval("select array[version, oldest] from flux.engine()") == [ENGINE, ENGINE]
    await connection.close()


async def test_a_later_engine_serves_this_multiplexer(database18: str, caplog: pytest.LogCaptureFixture) -> None:
    """A deploy goes before the multiplexers."""
    await is_of(database18, ENGINE + 1, ENGINE)
    async with started(database18, caplog) as front:
        await front.hear(Lead)


@pytest.mark.parametrize(
    ("version", "oldest", "text"),
    [
        (ENGINE - 1, ENGINE - 1, "this multiplexer needs 1; bring it there: fluxwire deploy"),
        (ENGINE + 2, ENGINE + 1, "which serves multiplexers of version 2 and later, and this one is of version 1"),
    ],
)
async def test_what_does_not_go_together(
    database18: str, caplog: pytest.LogCaptureFixture, version: int, oldest: int, text: str
) -> None:
    """It says so in words, leaves the database alone, and leads when that has been seen to."""
    await is_of(database18, version, oldest)
    async with started(database18, caplog) as front:
        await said(caplog, text)
        await is_of(database18, ENGINE, ENGINE)
        await front.hear(Lead)
    assert "Traceback" not in caplog.text


async def test_an_empty_database(empty_database18: str, caplog: pytest.LogCaptureFixture) -> None:
    """A multiplexer that was started before the first deploy waits for it."""
    async with started(empty_database18, caplog) as front:
        await said(caplog, "the database has no Fluxwire in it; bring it there: fluxwire deploy")
        await deploy(empty_database18)
        await front.hear(Lead)
    assert "Traceback" not in caplog.text


async def test_an_older_deploy_is_refused(database18: str) -> None:
    """A later engine is not replaced by this one."""
    await is_of(database18, ENGINE + 1, ENGINE)
    with pytest.raises(DeployError, match="Deploy with the newer one"):
        await deploy(database18)
