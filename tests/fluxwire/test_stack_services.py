"""The test services themselves, and with them the launchers."""

import asyncio

import asyncpg
import pytest
import redis.asyncio

from tests.services import CHAT, Cluster


async def test_empty_database_is_of_the_version_asked_for(postgres: Cluster, empty_database: str) -> None:
    """Each Postgres takes connections over its socket, and speaks UTF-8 sorted by code point."""
    connection = await asyncpg.connect(empty_database)
    try:
        assert connection.get_server_version().major == postgres.major
        assert await connection.fetchval("show server_encoding") == "UTF8"
        assert await connection.fetchval("select 'Z' < 'a' and upper('é') = 'É'")
        assert await connection.fetchval("show timezone") == "UTC"
    finally:
        await connection.close()


async def test_database_has_engine_and_chat(database: str) -> None:
    """A deployed database holds the engine's schema and the chat's."""
    connection = await asyncpg.connect(database)
    try:
        names = await connection.fetch("select nspname from pg_namespace where nspname in ('flux', 'chat')")
    finally:
        await connection.close()
    assert sorted(row["nspname"] for row in names) == ["chat", "flux"]


async def test_valkey_answers(valkey: str, namespace: str) -> None:
    """Valkey keeps a value under the test's own prefix."""
    async with redis.asyncio.from_url(valkey) as client:
        await client.set(f"{namespace}:key", "value")
        assert await client.get(f"{namespace}:key") == b"value"


def test_unhandled_loop_exception_fails_a_test(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    """A task that dies unseen fails the test that started it."""
    monkeypatch.setenv("PYTHONPATH", str(CHAT.parent.parent))
    pytester.makeconftest(
        "from tests.conftest import pytest_configure, pytest_runtest_teardown  # noqa: F401\n",
    )
    pytester.makepyfile(
        """
        import asyncio

        async def die():
            raise ValueError("nobody sees me")

        async def test_it():
            asyncio.get_running_loop().create_task(die())
            await asyncio.sleep(0)
            await asyncio.sleep(0)
        """
    )
    result = pytester.runpytest_subprocess("-p", "no:cacheprovider", "-o", "asyncio_mode=auto")
    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(["*nobody sees me*"])


def test_loop_is_free_for_sync_fixtures(empty_database18: str) -> None:
    """A test that is not a coroutine can use a database too."""
    assert asyncio.run(_one(empty_database18)) == 1


async def _one(url: str) -> int:
    connection = await asyncpg.connect(url)
    try:
        return int(await connection.fetchval("select 1"))
    finally:
        await connection.close()
