"""Who may do what: actions and stores run as the application, and leave nothing behind."""

from collections.abc import AsyncIterator

import asyncpg
import orjson
import pytest

from multiplexer.engine import SESSION

from .database import Sent, Sql


@pytest.fixture
async def as_multiplexer(sql: Sql) -> AsyncIterator[Sql]:
    """A second connection, logged in as the multiplexer's role, that leads."""
    connection = await asyncpg.connect(sql.url, user="fluxwire_multiplexer", server_settings=dict(SESSION))
    other = Sql(connection, sql.url)
    other.term = await connection.fetchval("select flux.take_lead(term, 'test') from flux.term")
    yield other
    connection.terminate()


async def test_the_multiplexer_needs_no_more_than_its_role(as_multiplexer: Sql) -> None:
    """The whole loop runs as fluxwire_multiplexer, which may not read a table of the application."""
    sql = as_multiplexer
    assert await sql.statuses(
        Sent(1, "create_room", '{"room": "den"}'),
        Sent(2, "join_room", '{"room": "den"}'),
        Sent(3, "post_message", '{"room": "den", "body": "hello"}'),
    ) == 3 * [("ok", None)]
    key = await sql.connection.fetchval("select key from flux.open('room', '{\"room\": \"den\"}', 'bob', '{}')")
    assert list((await sql.render(key))[1]["members"]) == ["ada"]
    assert await sql.connection.fetchval("select count(*) from flux.patch") == 2
    await sql.connection.execute("delete from flux.patch")
    assert await sql.connection.fetchval("select flux.beat($1)", sql.term) is True
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await sql.connection.execute("select * from chat.message")


async def test_row_level_security_knows_the_actor(sql: Sql, as_multiplexer: Sql) -> None:
    """A policy on flux.actor() bounds what an action can change and what a private store shows."""
    await sql.connection.execute(
        """
        create table public.note (owner text not null, body text not null);
        alter table public.note enable row level security;
        create policy own on public.note using (owner = flux.actor()) with check (owner = flux.actor());
        grant usage on schema public to fluxwire_application;
        grant select, insert, delete on public.note to fluxwire_application;
        create function actions.note(owner text, body text) returns void language sql as
          'insert into public.note values (note.owner, note.body)';
        create function actions.clear() returns void language sql as 'delete from public.note';
        create function stores.notes() returns jsonb language sql stable as
          'select jsonb_build_object(''notes'', coalesce(jsonb_agg(body), ''[]'')) from public.note';
        select flux.declare_store('notes', private => true), flux.refresh();
        """
    )
    assert await as_multiplexer.statuses(
        Sent(1, "note", '{"owner": "ada", "body": "mine"}'),
        Sent(1, "note", '{"owner": "bob", "body": "his"}', actor="bob"),
        Sent(2, "note", '{"owner": "bob", "body": "forged"}'),
        Sent(3, "clear", "{}"),
    ) == [("ok", None), ("ok", None), ("refused", "failed"), ("ok", None)]
    keys = [
        await as_multiplexer.connection.fetchval("select key from flux.open('notes', '{}', $1, '{}')", actor)
        for actor in ("ada", "bob")
    ]
    assert [(await as_multiplexer.render(key))[1] for key in keys] == [{"notes": []}, {"notes": ["his"]}]


async def test_what_was_not_granted_is_refused(sql: Sql) -> None:
    """An action on a table that nobody granted fails with a code, and the reason stays in the log."""
    await sql.connection.execute(
        "create schema vault; create table vault.gold (i integer);"
        "create function actions.steal() returns bigint language sql as 'select count(*) from vault.gold';"
        "select flux.refresh()"
    )
    (row,) = await sql.dispatch(Sent(1, "steal", "{}"))
    assert (row["code"], row["message"]) == ("failed", "The action failed.")
    assert await sql.connection.fetchval("select sqlstate from flux.action") == "42501"


async def test_everything_is_put_back_between_actions(sql: Sql, as_multiplexer: Sql) -> None:
    """Role, settings, session locks and temporary tables of one action are gone before the next begins."""
    await sql.connection.execute(
        """
        create function actions.mess() returns void language plpgsql as $$
        begin
          set timezone to 'Asia/Kathmandu'; set datestyle to 'German'; set search_path to pg_temp;
          set statement_timeout to 12345; set role fluxwire_multiplexer;
          perform set_config('flux.mark', 'left', false), pg_advisory_lock(7);
          create temporary table rubbish (i integer);
          listen flux;
        end $$;
        create function actions.tidy() returns jsonb language plpgsql as $$
        begin
          return jsonb_build_object(
            'role', current_user, 'zone', current_setting('timezone'), 'style', current_setting('datestyle'),
            'path', current_setting('search_path'), 'timeout', current_setting('statement_timeout'),
            'mark', current_setting('flux.mark', true),
            'locks', (select count(*) from pg_locks where locktype = 'advisory' and pid = pg_backend_pid()),
            'table', to_regclass('pg_temp.rubbish'), 'at', flux.now()
          );
        end $$;
        grant temporary on database """
        + await sql.connection.fetchval("select current_database()")
        + """ to public;
        select flux.refresh();
        """
    )
    before, _, after = await as_multiplexer.dispatch(
        Sent(1, "tidy", "{}"), Sent(2, "mess", "{}"), Sent(3, "tidy", "{}")
    )
    assert [before["status"], after["status"]] == ["ok", "ok"]
    first, second = orjson.loads(before["reply"]), orjson.loads(after["reply"])
    assert second.pop("at") > first.pop("at")
    assert second.pop("mark") in (None, "")
    assert first.pop("mark") is None
    assert first == second
    assert first["role"] == "fluxwire_application"


async def test_the_multiplexer_watches_new_partitions(sql: Sql, as_multiplexer: Sql) -> None:
    """Which are not its own: it may have the engine's function do it, and no more."""
    await sql.connection.execute(
        """
        create table public.base (id integer primary key);
        create function stores.day() returns jsonb language sql stable as $$ select '{}'::jsonb $$;
        select flux.watch(store => 'day', path => '{rows}', source => 'public.base', match => '{}', key => 'id');
        create table public.child () inherits (public.base);
        """
    )
    assert await as_multiplexer.connection.fetchval("select flux.follow()") == ["public.base"]
    await sql.connection.execute("insert into public.child values (1)")
    assert await sql.connection.fetchval("select count(*) from flux.patch where key = 'day{}'") == 1
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await as_multiplexer.connection.execute("select flux.raise_all()")


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ("begin commit; end", "failed"),
        ("begin rollback; end", "failed"),
        ("begin raise exception 'no'; end", "raised"),
        ("begin raise exception using errcode = 'FX002'; end", "failed"),
        ("begin perform 1 / 0; end", "invalid_argument"),
        ("begin perform flux.reject('mine', 'No.'); end", "mine"),
        ("begin perform pg_notify('flux', i::text) from generate_series(1, 1000) i; end", None),
        ("begin truncate flux.action; end", "failed"),
        ("begin perform flux.settle(rings => false); end", "failed"),
        ("begin execute 'set constraints all immediate'; end", None),
    ],
)
async def test_actions_that_misbehave(sql: Sql, as_multiplexer: Sql, body: str, code: str | None) -> None:
    """Whatever an action tries, it ends with a code and its neighbours take effect."""
    await sql.connection.execute(
        f"create function actions.odd() returns void language plpgsql as $${body}$$; select flux.refresh()"
    )
    first, odd, last = await as_multiplexer.statuses(
        Sent(1, "create_room", '{"room": "a"}'), Sent(2, "odd", "{}"), Sent(3, "create_room", '{"room": "b"}')
    )
    assert (first, last) == (("ok", None), ("ok", None))
    assert odd == (("ok", None) if code is None else ("refused", code))
    await sql.follow("rooms{}")
    assert list(sql.documents["rooms{}"][1]["rooms"]) == ["a", "b"]


@pytest.mark.parametrize(
    ("name", "params"),
    [
        ("create_room", "[" * 10_000 + "]" * 10_000),
        ("create_room", '{"room": ' + "[" * 10_000 + "]" * 10_000 + "}"),
        ("create_room", '{"room": "\\u0000"}'),
        ("create_room", '{"room": "\\ud800"}'),
        ("create_room", '{"room": 1e-400000}'),
        ("create_room", "{"),
        ("create_room", ""),
        ("create_room", "null"),
        ("create_room", '{"room": "a", "room": null, "title": {"deep": []}, "x": 1}'),
    ],
)
async def test_payloads_that_postgres_refuses(sql: Sql, name: str, params: str) -> None:
    """What JSON parsers accept and Postgres does not is refused alone, with a code."""
    (bad, good) = await sql.statuses(Sent(1, name, params), Sent(2, "create_room", '{"room": "fine"}'))
    assert bad[0] == "refused"
    assert bad[1] in {"invalid_argument", "unknown_argument", "constraint", "failed"}
    assert good == ("ok", None)
    assert await sql.connection.fetchval("select array_agg(room) from chat.room") == ["fine"]
