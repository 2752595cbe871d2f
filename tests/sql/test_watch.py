"""Rows that feed stores: whatever is written, by whomever, patches and render agree."""

import asyncio

import asyncpg
import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.services import Cluster

from .database import Sent, Sql

WINDOW = """
    alter default privileges in schema public grant all on tables to fluxwire_application;
    grant usage on schema public to fluxwire_application;
    create table public.item (
      id integer primary key, shelf text, rank double precision, body text
    );
    create function stores.shelf(shelf text) returns jsonb language sql stable as $$ select '{}'::jsonb $$;
    select flux.watch(
      store => 'shelf', path => '{top}', source => 'public.item', match => '{"shelf": "shelf"}', key => 'id',
      columns => '{id, body}', newest => 'rank', keep => 3
    );
    select flux.watch(
      store => 'shelf', path => '{all}', source => 'public.item', match => '{"shelf": "shelf"}', key => 'id',
      columns => '{id, rank}'
    );
    select flux.refresh();
"""
SHELVES = ['shelf{"shelf": "a"}', 'shelf{"shelf": "b"}']

ids = st.integers(0, 7)
shelves = st.sampled_from(["a", "b", None])
ranks = st.floats(-3, 3).map(lambda rank: round(rank, 1))
INSERT = "insert into public.item values ($1, $2, $3, 'new') on conflict do nothing"
UPSERT = """
    insert into public.item values ($1, $2, $3, 'up')
    on conflict (id) do update set shelf = excluded.shelf, rank = excluded.rank
"""
RENUMBER = "update public.item set id = $2 where id = $1 and not exists (select from public.item where id = $2)"
BULK = "insert into public.item select i, 'a', $1 + i, 'bulk' from generate_series(0, 7) i on conflict do nothing"
statements = st.one_of(
    st.tuples(st.just(INSERT), ids, shelves, ranks),
    st.tuples(st.just(UPSERT), ids, shelves, ranks),
    st.tuples(st.just(RENUMBER), ids, ids),
    st.tuples(st.just(BULK), ranks),
    st.tuples(st.just("update public.item set rank = $2 where id = $1"), ids, ranks),
    st.tuples(st.just("update public.item set shelf = $2 where id = $1"), ids, shelves),
    st.tuples(st.just("update public.item set body = $1"), st.text("xyz", max_size=2)),
    st.tuples(st.just("delete from public.item where id >= $1"), ids),
)
steps = st.one_of(statements, st.sampled_from([("savepoint s",), ("rollback to s",)]))


async def play(url: str, transactions: list[tuple[list[tuple[object, ...]], bool]]) -> None:
    async with Sql.connect(url) as sql:
        await sql.connection.execute("truncate public.item")
        await sql.catch_up()
        await sql.follow(*SHELVES)
        for work, commits in transactions:
            await sql.connection.execute("begin; savepoint s")
            for statement, *arguments in work:
                await sql.connection.execute(str(statement), *arguments)
            await sql.connection.execute("commit" if commits else "rollback")
            await sql.assert_followed()
        assert await sql.connection.fetchval("select count(*) from flux.change") == 0


@pytest.fixture(scope="module")
def shelf_database(request: pytest.FixtureRequest, postgres: Cluster) -> object:
    """A database with the shelves; one for all examples, each of which begins with an empty table."""
    with postgres.database(deployed=True) as url:

        async def declare() -> None:
            connection = await asyncpg.connect(url)
            await connection.execute(WINDOW)
            await connection.close()

        asyncio.run(declare())
        yield url


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(transactions=st.lists(st.tuples(st.lists(steps, max_size=6), st.booleans()), max_size=5))
def test_patches_lead_to_what_is_rendered(
    shelf_database: str, transactions: list[tuple[list[tuple[object, ...]], bool]]
) -> None:
    """Upserts, moves between stores and windows, key changes, bulk, savepoints, rollbacks: no difference."""
    asyncio.run(play(shelf_database, transactions))


async def test_two_writers_of_one_window(shelf_database: str) -> None:
    """Transactions that overlap on one window wait for one another at commit, not before, and lose nothing."""
    async with Sql.connect(shelf_database) as sql, Sql.connect(shelf_database) as other:
        await sql.connection.execute("truncate public.item")
        await sql.catch_up()
        await sql.follow(*SHELVES)
        await sql.connection.execute("begin; insert into public.item values (1, 'a', 1, ''), (2, 'b', 1, '')")
        await other.connection.execute("begin; insert into public.item values (3, 'b', 2, ''), (4, 'a', 2, '')")
        await sql.connection.execute("insert into public.item values (5, 'a', 3, '')")
        await other.connection.execute("commit")
        await sql.connection.execute("insert into public.item values (6, 'a', 4, '')")
        await sql.connection.execute("commit")
        await sql.assert_followed()
        assert sorted(sql.documents[SHELVES[0]][1]["top"]) == ["4", "5", "6"]


async def test_writers_in_opposite_order_do_not_deadlock(shelf_database: str) -> None:
    """Two transactions that change the same stores in opposite order both commit, many times over."""
    async with Sql.connect(shelf_database) as sql, Sql.connect(shelf_database) as other:
        await sql.connection.execute("truncate public.item")
        await sql.catch_up()
        await sql.follow(*SHELVES)

        async def write(writer: Sql, first: str, second: str, start: int) -> None:
            for step in range(40):
                async with writer.connection.transaction():
                    for offset, shelf in enumerate((first, second)):
                        await writer.connection.execute(
                            "insert into public.item values ($1, $2, 0, '')", start + 2 * step + offset, shelf
                        )

        await asyncio.gather(write(sql, "a", "b", 1000), write(other, "b", "a", 2000))
        await sql.assert_followed()


async def test_foreign_session_settings_change_nothing(shelf_database: str) -> None:
    """A writer with another time zone, date style and precision makes the same documents."""
    async with Sql.connect(shelf_database) as sql:
        await sql.connection.execute("truncate public.item")
        await sql.catch_up()
        await sql.follow(*SHELVES)
        await sql.connection.execute(
            "set timezone to 'Asia/Kathmandu'; set datestyle to 'German'; set extra_float_digits to -15;"
            "insert into public.item select i, 'a', i + 0.1234567890123456, '' from generate_series(1, 5) i;"
            "update public.item set rank = rank * 1.0000000001"
        )
        await sql.assert_followed()


async def test_copy_merge_and_truncate(shelf_database: str) -> None:
    """COPY and MERGE are rows like others; after TRUNCATE every store of the name is rendered."""
    async with Sql.connect(shelf_database) as sql:
        await sql.connection.execute("truncate public.item")
        await sql.catch_up()
        await sql.follow(*SHELVES)
        await sql.connection.copy_records_to_table(
            "item", schema_name="public", records=[(i, "ab"[i % 2], float(i), "copied") for i in range(8)]
        )
        await sql.assert_followed()
        await sql.connection.execute(
            """
            merge into public.item as i using (values (1, 'merged'), (99, 'fresh')) as v (id, body) on i.id = v.id
            when matched then update set body = v.body
            when not matched then insert values (v.id, 'a', 9, v.body)
            """
        )
        await sql.assert_followed()
        assert sql.documents[SHELVES[0]][1]["top"]["99"]["body"] == "fresh"
        await sql.connection.execute("truncate public.item")
        await sql.assert_followed()
        assert sql.documents[SHELVES[0]][1] == {"top": {}, "all": {}}


async def test_truncate_of_rows_that_were_there_before(sql: Sql) -> None:
    """Rows older than the watch are seen to go by a truncate as well."""
    await sql.connection.execute(
        """
        create table public.old (id integer primary key, shelf text);
        insert into public.old select i, substr('abc', 1 + i % 3, 1) from generate_series(1, 9) as i;
        create function stores.old(shelf text) returns jsonb language sql stable as $$ select '{}'::jsonb $$;
        select flux.watch(
          store => 'old', path => '{rows}', source => 'public.old', match => '{"shelf": "shelf"}', key => 'id'
        );
        grant usage on schema public to fluxwire_application;
        grant select on public.old to fluxwire_application;
        select flux.refresh();
        """
    )
    await sql.follow('old{"shelf": "a"}', 'old{"shelf": "c"}')
    assert len(sql.documents['old{"shelf": "a"}'][1]["rows"]) == 3
    await sql.connection.execute("truncate public.old")
    await sql.assert_followed()
    assert sql.documents['old{"shelf": "a"}'][1] == {"rows": {}}


async def test_cascades(sql: Sql) -> None:
    """Rows that go by a foreign key's cascade leave their stores as well."""
    await sql.statuses(
        Sent(1, "create_room", '{"room": "den"}'),
        Sent(2, "join_room", '{"room": "den"}'),
        Sent(3, "post_message", '{"room": "den", "body": "~/ \u00e9 \U0001f600"}'),
    )
    await sql.catch_up()
    await sql.follow('room{"room": "den"}', "rooms{}")
    await sql.connection.execute("delete from chat.room")
    await sql.assert_followed()
    assert sql.documents['room{"room": "den"}'][1] == {"members": {}, "messages": {}}


async def test_times_are_the_same_in_every_zone(sql: Sql) -> None:
    """A window ordered by time is exact to the microsecond, whatever zone and style its writers use."""
    room = 'room{"room": "den"}'
    await sql.connection.execute("insert into chat.room values ('den', 'Den', 'x', now())")
    await sql.catch_up()
    await sql.follow(room)
    await sql.connection.execute("set timezone to 'America/St_Johns'; set datestyle to 'SQL, DMY'")
    for start in (0, 60, 30):
        await sql.connection.execute(
            """
            insert into chat.message
            select gen_random_uuid(), 'den', 'x', i::text,
              '2026-03-08 01:59:59.9999+00'::timestamptz + i * interval '1 us'
            from generate_series($1, $1 + 59) as i on conflict do nothing
            """,
            start,
        )
        await sql.connection.execute("delete from chat.message where body = $1", str(start + 59))
        await sql.assert_followed()
    await sql.connection.execute("update chat.message set sent_at = sent_at + interval '1 hour' where body like '%3'")
    await sql.assert_followed()


async def test_partitions_and_children(sql: Sql) -> None:
    """Rows written to a root, to a leaf, across leaves, to a child, or by a replica's role reach their stores."""
    await sql.connection.execute(
        """
        create table public.event (id integer, day integer, body text, primary key (id, day)) partition by range (day);
        create table public.event_1 partition of public.event for values from (0) to (10);
        create table public.event_2 partition of public.event for values from (10) to (20);
        create table public.base (id integer primary key, day integer, body text);
        create table public.child (extra text) inherits (public.base);
        create function stores.day() returns jsonb language sql stable as $$ select '{}'::jsonb $$;
        select flux.watch(store => 'day', path => '{events}', source => 'public.event', match => '{}', key => 'id');
        select flux.watch(
          store => 'day', path => '{rows}', source => 'public.base', match => '{}', key => 'id',
          newest => 'day', keep => 2
        );
        grant usage on schema public to fluxwire_application;
        grant select on all tables in schema public to fluxwire_application;
        select flux.refresh();
        """
    )
    await sql.follow("day{}")
    for statement in (
        "insert into public.event values (1, 1, 'root'), (2, 11, 'root')",
        "insert into public.event_2 values (3, 12, 'leaf')",
        "update public.event set day = 15 where id = 1",
        "delete from public.event_2 where id = 2",
        "insert into public.child values (1, 1, 'child', 'x'), (2, 2, 'child', 'x')",
        "insert into public.base values (3, 3, 'base')",
        "update public.base set day = 9 where id = 1",
        "delete from public.base where id = 3",
        "create table public.event_3 partition of public.event for values from (20) to (30); select flux.refresh()",
        "insert into public.event_3 values (4, 21, 'new leaf')",
        "set session_replication_role to replica; insert into public.event values (5, 5, 'replica')",
        "set session_replication_role to origin; truncate public.event_1",
    ):
        await sql.connection.execute(statement)
        await sql.assert_followed()
    assert list(sql.documents["day{}"][1]["events"]) == ["1", "3", "4"]
    assert list(sql.documents["day{}"][1]["rows"]) == ["1", "2"]


@pytest.mark.parametrize("noticed", ["refresh", "follow"])
async def test_partitions_come_and_go(sql: Sql, noticed: str) -> None:
    """With their rows, by a deploy or by the multiplexer's look: documents have them and lose them."""
    await sql.connection.execute(
        """
        create table public.event (id integer, day integer, primary key (id, day)) partition by range (day);
        create table public.event_1 partition of public.event for values from (0) to (10);
        create table public.event_2 (id integer not null, day integer not null, primary key (id, day));
        insert into public.event_2 values (1, 11), (2, 12);
        create function stores.day() returns jsonb language sql stable as $$ select '{}'::jsonb $$;
        select flux.watch(store => 'day', path => '{events}', source => 'public.event', match => '{}', key => 'id');
        grant usage on schema public to fluxwire_application;
        grant select on all tables in schema public to fluxwire_application;
        select flux.refresh();
        """
    )
    await sql.follow("day{}")
    for change, days in (
        ("alter table public.event attach partition public.event_2 for values from (10) to (20)", {"1": 11, "2": 12}),
        ("insert into public.event_2 values (3, 13)", {"1": 11, "2": 12, "3": 13}),
        ("alter table public.event detach partition public.event_2", {}),
        ("alter table public.event attach partition public.event_2 for values from (10) to (20)", None),
        ("drop table public.event_2", {}),
    ):
        before = await sql.connection.fetchval("select epoch from flux.epoch")
        await sql.connection.execute(change)
        await sql.connection.execute(f"select flux.{noticed}()")
        await sql.assert_followed()
        _, document = sql.documents["day{}"]
        assert (await sql.connection.fetchval("select epoch from flux.epoch") != before) == ("table" in change)
        if days is not None:
            assert {name: event["day"] for name, event in document["events"].items()} == days
    before = await sql.connection.fetchval("select epoch from flux.epoch")
    await sql.connection.execute("create table public.event_3 partition of public.event for values from (20) to (30)")
    await sql.connection.execute("select flux.follow()")
    assert await sql.connection.fetchval("select epoch from flux.epoch") == before
    assert await sql.connection.fetchval("select flux.follow()") == []
    triggers = await sql.connection.fetch(
        "select distinct tgrelid::regclass::text from pg_trigger where tgname ~ '^flux_'"
    )
    assert {row[0] for row in triggers} >= {"public.event", "public.event_1", "public.event_3"}


async def test_a_table_that_is_detached_is_left_alone(sql: Sql) -> None:
    """It loses its triggers: what is written to it later is nobody's business."""
    await sql.connection.execute(
        """
        create table public.base (id integer primary key);
        create table public.child () inherits (public.base);
        create function stores.day() returns jsonb language sql stable as $$ select '{}'::jsonb $$;
        select flux.watch(store => 'day', path => '{rows}', source => 'public.base', match => '{}', key => 'id');
        alter table public.child no inherit public.base;
        select flux.follow();
        """
    )
    held = await sql.connection.fetchval("select count(*) from pg_trigger where tgrelid = 'public.child'::regclass")
    assert held == 0


@pytest.mark.parametrize("kind", ["view public.things", "temporary table other", "materialized view public.things"])
async def test_what_has_no_rows_of_its_own_cannot_be_watched(sql: Sql, kind: str) -> None:
    """A view, or nothing at all, is refused when the watch is declared, with a hint of what to do instead."""
    await sql.connection.execute(f"create {kind} as select room, title from chat.room")
    with pytest.raises(asyncpg.PostgresError) as caught:
        await sql.connection.execute(
            "select flux.watch(store => 'rooms', path => '{x}', source => 'public.things', match => '{}')"
        )
    assert caught.value.sqlstate == "FX014"


async def test_item_keys_are_escaped(sql: Sql) -> None:
    """A key with a slash or a tilde is one step of the path."""
    await sql.follow('room{"room": "~/"}', "rooms{}")
    await sql.statuses(Sent(1, "create_room", '{"room": "~/"}'), Sent(2, "create_room", '{"room": "a~1b/"}'))
    await sql.assert_followed()
    assert set(sql.documents["rooms{}"][1]["rooms"]) == {"~/", "a~1b/"}


async def test_recorded_keys_are_those_that_are_bound(sql: Sql) -> None:
    """The key that a trigger makes of a row is the one a client gets for these parameters, whatever their types."""
    await sql.connection.execute(
        """
        create table public.cell (
          id integer primary key, sheet text, line integer, col numeric, at date, done boolean, note json
        );
        create function stores.cells(sheet text, line integer, col numeric, at date, done boolean)
        returns jsonb language sql stable as $$ select '{}'::jsonb $$;
        select flux.refresh();
        select flux.watch(
          store => 'cells', path => '{cells}', source => 'public.cell', key => 'id', columns => '{note}',
          match => '{"sheet": "sheet", "line": "line", "col": "col", "at": "at", "done": "done"}'
        );
        grant select on public.cell to fluxwire_application;
        """
    )
    params = r'{"done": true, "at": "2026-11-22", "col": 1.50, "line": 7, "sheet": "a\"\\/~ é\n"}'
    key = await sql.connection.fetchval("select flux.bound_key('cells', $1::jsonb)", params)
    await sql.follow(key)
    await sql.connection.execute(
        """
        insert into public.cell
        select 1, r.*, '{"b": 1,\n "a": 1e3}' from jsonb_to_record($1::jsonb)
          as r (sheet text, line integer, col numeric, at date, done boolean)
        """,
        params,
    )
    await sql.assert_followed()
    assert sql.documents[key][1] == {"cells": {"1": {"note": {"a": 1000, "b": 1}}}}


async def test_one_commit_one_doorbell(sql: Sql) -> None:
    """However many stores a commit changes, one notification names its transaction and nothing else."""
    heard: asyncio.Queue[str] = asyncio.Queue()
    listener = await asyncpg.connect(sql.url)
    await listener.add_listener("flux", lambda *args: heard.put_nowait(str(args[3])))
    transaction = await sql.connection.fetchval(
        "with made as (insert into chat.room select 'r' || i, 'x', 'x', now() from generate_series(1, 9) i)"
        " select pg_current_xact_id()::text"
    )
    await sql.connection.execute("notify flux, 'end'")
    async with asyncio.timeout(10):
        assert [await heard.get(), await heard.get()] == [transaction, "end"]
    assert await sql.connection.fetchval("select count(*) from flux.patch where tx = $1::text::xid8", transaction) == 10
    listener.terminate()


@pytest.mark.parametrize(
    "declaration",
    [
        "store => 'nowhere', path => '{x}', source => 'chat.room', match => '{}'",
        "store => 'room', path => '{x}', source => 'chat.room', match => '{}'",
        "store => 'room', path => '{x}', source => 'chat.room', match => '{\"room\": \"rom\"}'",
        "store => 'room', path => '{x}', source => 'chat.room', match => '{\"room\": \"room\"}', keep => 3",
    ],
)
async def test_bad_declarations_are_refused(sql: Sql, declaration: str) -> None:
    """A watch that does not fit its store or table is refused when it is declared."""
    with pytest.raises(asyncpg.PostgresError) as caught:
        await sql.connection.execute(f"select flux.watch({declaration})")
    assert caught.value.sqlstate in {"FX010", "FX014"}


async def test_touch_and_patch(sql: Sql) -> None:
    """A touched store moves without saying how; an explicit patch is told as it was given, in order."""
    await sql.connection.execute(
        'begin; select flux.patch(\'rooms\', \'{}\', \'[{"op": "add", "path": "/x", "value": 1}]\');'
        'select flux.patch(\'rooms\', \'{}\', \'[{"op": "remove", "path": "/x"}]\'); commit;'
        "select flux.touch('room', '{\"room\": \"x\"}')"
    )
    rows = await sql.connection.fetch("select key, from_version, to_version, ops::text from flux.patch order by key")
    assert [(row["key"], row["from_version"], row["to_version"]) for row in rows] == [
        ("rooms{}", 0, 1),
        ('room{"room": "x"}', 0, 1),
    ]
    assert [op["op"] for op in orjson.loads(rows[0]["ops"])] == ["add", "remove"]
    assert rows[1]["ops"] is None


@pytest.mark.parametrize(
    "ops",
    [
        "{}",
        "null",
        '[{"op": "test", "path": "", "value": 1}]',
        '[{"op": "move", "path": "/a", "from": "/b"}]',
        '[{"op": "add", "path": "/a"}]',
        '[{"op": "remove"}]',
        '[{"op": "remove", "path": "a"}]',
        '[{"op": "remove", "path": 1}]',
        "[1]",
    ],
)
async def test_what_is_no_patch_is_refused(sql: Sql, ops: str) -> None:
    """Operations that clients do not take are refused when they are given."""
    with pytest.raises(asyncpg.PostgresError) as caught:
        await sql.connection.execute("select flux.patch('rooms', '{}', $1::jsonb)", ops)
    assert caught.value.sqlstate == "FX012"
