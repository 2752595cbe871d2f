"""All stores touched at once: every version rises, and nobody counts or renders across the moment it does."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg
import orjson
import pytest

from .database import Sent, Sql

BASE = "select base from flux.epoch"
EVERYTHING = "select from_version, to_version from flux.patch where key = ''"


@asynccontextmanager
async def others(sql: Sql, count: int) -> AsyncIterator[list["asyncpg.Connection[asyncpg.Record]"]]:
    """Other sessions of the same database."""
    opened = [await asyncpg.connect(sql.url) for _ in range(count)]
    try:
        yield opened
    finally:
        for connection in opened:
            connection.terminate()


async def waits(sql: Sql, task: "asyncio.Task[object]") -> bool:
    """Wait until a task is done, or its session waits for a lock; tell which."""
    async with asyncio.timeout(10):
        while not task.done():
            if await sql.connection.fetchval("select exists (select from pg_locks where not granted)"):
                return True
            await asyncio.sleep(0)
    return False


async def test_every_version_rises(sql: Sql) -> None:
    """By one, of stores that changed and of those that never did, and it is told once."""
    await sql.statuses(Sent(1, "create_room", '{"room": "den"}'))
    keys = ("rooms{}", 'room{"room": "den"}', 'room{"room": "never"}')
    before = [await sql.render(key) for key in keys]
    await sql.connection.execute("begin; select flux.touch_all(), flux.touch_all(); commit")
    assert [await sql.render(key) for key in keys] == [(version + 1, document) for version, document in before]
    assert [tuple(row) for row in await sql.connection.fetch(EVERYTHING)] == [(0, 1)]
    (outcome,) = await sql.dispatch(Sent(2, "create_room", '{"room": "attic"}'))
    assert orjson.loads(outcome["stores"]) == {"rooms{}": before[0][0] + 2, 'room{"room": "attic"}': 2}


async def test_rolled_back(sql: Sql) -> None:
    """A transaction that has not happened has touched nothing."""
    await sql.connection.execute("begin; select flux.touch_all(); rollback")
    assert await sql.connection.fetchval(BASE) == 0
    assert await sql.connection.fetch(EVERYTHING) == []


async def test_with_changes_of_its_own(sql: Sql) -> None:
    """What the same transaction changed counts from the new base."""
    await sql.connection.execute(
        "begin; insert into chat.room values ('a', 'a', 'x', now()); select flux.touch_all(); commit"
    )
    assert [tuple(row) for row in await sql.connection.fetch(EVERYTHING)] == [(0, 1)]
    row = await sql.connection.fetchrow("select from_version, to_version from flux.patch where key = 'rooms{}'")
    assert row is not None
    assert tuple(row) == (1, 2)
    assert (await sql.render("rooms{}"))[0] == 2


async def test_a_commit_under_way_is_waited_for(sql: Sql) -> None:
    """Whoever has counted from the base commits first; who counts after it counts from the new one."""
    async with others(sql, 3) as [writer, toucher, later]:
        await writer.execute(
            "begin; insert into chat.room values ('a', 'a', 'x', now()); set constraints all immediate"
        )
        touching = asyncio.create_task(toucher.execute("select flux.touch_all()"))
        assert await waits(sql, touching)
        writing = asyncio.create_task(later.execute("insert into chat.room values ('b', 'b', 'x', now())"))
        assert await waits(sql, writing)
        await writer.execute("commit")
        await asyncio.gather(touching, writing)
        rows = await sql.connection.fetch(
            "select from_version, to_version from flux.patch where key = 'rooms{}' order by 1"
        )
        assert [tuple(row) for row in rows] == [(0, 1), (2, 3)]


async def test_a_render_waits_for_a_deploy(sql: Sql) -> None:
    """A document of new functions never goes by the version of the old ones."""
    async with others(sql, 2) as [deployer, reader]:
        await deployer.execute(
            "begin; create or replace function stores.rooms() returns jsonb language sql stable as"
            " $$ select '{\"motd\": 1}'::jsonb $$; select flux.touch_all(); set constraints all immediate"
        )
        reading = asyncio.create_task(reader.fetchrow("select * from flux.render_all(array['rooms{}'], 1000)"))
        assert await waits(sql, reading)
        await deployer.execute("commit")
        row = await reading
        assert row is not None
        assert (row["base"], row["version"]) == (1, 1)
        assert '"motd"' in row["document"]


async def test_a_snapshot_from_before_is_not_counted_from(sql: Sql) -> None:
    """A foreign transaction that cannot see the new base fails as it does when its rows were changed."""
    async with others(sql, 1) as [writer]:
        await writer.execute("begin isolation level repeatable read; select from flux.epoch")
        await sql.connection.execute("select flux.touch_all()")
        with pytest.raises(asyncpg.SerializationError):
            await writer.execute("insert into chat.room values ('a', 'a', 'x', now()); commit")


async def test_a_transaction_left_open_is_not_waited_for_long(sql: Sql) -> None:
    """Who has settled and does not commit makes a deploy fail in the end; others go on in between."""
    async with others(sql, 2) as [writer, toucher]:
        await writer.execute(
            "begin; insert into chat.room values ('a', 'a', 'x', now()); set constraints all immediate"
        )
        touching = asyncio.create_task(toucher.execute("select flux.touch_all()"))
        assert await waits(sql, touching)
        await sql.connection.execute("set lock_timeout to '1s'")
        await sql.connection.execute("select flux.touch('room', '{\"room\": \"x\"}')")
        with pytest.raises(asyncpg.LockNotAvailableError):
            await touching


async def test_a_watch_that_records_otherwise_waits_for_writers(sql: Sql) -> None:
    """What was recorded in the old way is settled in the old way, and the render that follows has it."""
    await sql.connection.execute(
        """
        create table public.item (id integer primary key, shelf text, ward text);
        grant usage on schema public to fluxwire_application;
        grant select on public.item to fluxwire_application;
        create function stores.shelf(name text) returns jsonb language sql stable as $$ select '{}'::jsonb $$;
        select flux.refresh();
        select flux.watch('shelf', '{items}', 'public.item', '{"name": "shelf"}', 'id');
        """
    )
    keys = ['shelf{"name": "a"}', 'shelf{"name": "b"}']
    async with others(sql, 2) as [writer, deployer]:
        await writer.execute("begin; insert into public.item values (1, 'a', 'b')")
        declaring = asyncio.create_task(
            deployer.execute("select flux.watch('shelf', '{items}', 'public.item', '{\"name\": \"ward\"}', 'id')")
        )
        assert await waits(sql, declaring)
        await writer.execute("commit")
        await declaring
    rows = await sql.connection.fetch(
        "with told as (delete from flux.patch returning key) select distinct key from told"
    )
    assert {row["key"] for row in rows} == {"", keys[0]}
    await sql.follow(*keys)
    assert [list(sql.documents[key][1]["items"]) for key in keys] == [[], ["1"]]
    await sql.connection.execute("update public.item set ward = 'a'")
    await sql.assert_followed()
    assert [list(sql.documents[key][1]["items"]) for key in keys] == [["1"], []]


async def test_declarations_touch(sql: Sql) -> None:
    """What changes who reads what, or what feeds what, touches; said again it does not."""
    for statement, rises in (
        ("select flux.declare_store('room')", False),
        ("create function public.may(actor text, params jsonb) returns boolean language sql as 'select true'", False),
        ("select flux.declare_store('room', permit => 'public.may')", True),
        ("select flux.declare_store('room', permit => 'public.may')", False),
        ("select flux.watch('rooms', '{rooms}', 'chat.room', '{}', 'room', '{title}')", True),
        ("select flux.watch('rooms', '{rooms}', 'chat.room', '{}', 'room', '{title}')", False),
        ("select flux.refresh()", False),
    ):
        before = await sql.connection.fetchval(BASE)
        await sql.connection.execute(statement)
        assert await sql.connection.fetchval(BASE) == before + rises, statement


async def test_documents_of_bounded_size(sql: Sql) -> None:
    """One of more bytes than may be comes without its text, and with its size."""
    (row,) = await sql.connection.fetch("select * from flux.render_all(array['rooms{}'], 5)")
    assert (row["size"], row["document"]) == (len('{"rooms": {}}'), None)
