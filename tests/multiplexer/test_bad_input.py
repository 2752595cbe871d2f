"""What SQL developers and clients can get wrong: each has a coded answer, and others go on."""

from collections.abc import AsyncIterator
from dataclasses import replace

import asyncpg
import orjson
import pytest

from broker.messages import Commit, Denied, Fetch, Gone, Open, Opened, Outcome, Snapshot
from multiplexer.settings import Settings

from .conftest import Front

COUNT = 12
"""Stores beside the bad one: they are rendered together with it."""


@pytest.fixture
def render_timeout() -> float:
    return 10.0


@pytest.fixture
def settings(settings: Settings, render_timeout: float) -> Settings:
    return replace(settings, action_timeout=0.5, render_timeout=render_timeout)


@pytest.fixture
async def connection(database: str) -> "AsyncIterator[asyncpg.Connection[asyncpg.Record]]":
    """Whoever writes the SQL."""
    connected = await asyncpg.connect(database)
    yield connected
    connected.terminate()


async def store(connection: "asyncpg.Connection[asyncpg.Record]", body: str) -> None:
    await connection.execute(
        f"create function stores.bad() returns jsonb language plpgsql stable as $$ begin {body} end $$;"
        "select flux.declare_store('bad'), flux.refresh()"
    )


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ("return null;", "failed"),
        ("return '[]';", "failed"),
        ("return '\"text\"';", "failed"),
        ("raise exception 'no';", "failed"),
        ("perform 1 / 0;", "failed"),
        ("insert into chat.room values ('x', 'x', 'x', now()); return '{}';", "failed"),
        ("perform flux.actor(); return '{}';", "failed"),
        ("return jsonb_build_object('x', 9007199254740993);", "failed"),
        ("return jsonb_build_object('x', repeat('x', 4 * 1024 * 1024));", "store_too_large"),
        ("return jsonb_build_object('x', repeat(repeat('x', 50000), 1000));", "store_too_large"),
    ],
)
async def test_stores(front: Front, connection: "asyncpg.Connection[asyncpg.Record]", body: str, code: str) -> None:
    """A store that cannot be shown is gone, with a code, for those who ask; stores asked for beside it are shown."""
    await store(connection, body)
    others = [f'room{{"room": "r{number}"}}' for number in range(COUNT)]
    await front.say(
        Open(1, "bad", "{}", "ada", "{}"), *map(Fetch, others[::2]), Fetch("bad{}"), *map(Fetch, others[1::2])
    )
    assert (await front.hear(Opened)).key == "bad{}"
    assert (await front.hear(Gone)).error.code == code
    assert {(await front.hear(Snapshot)).key for _ in others} == set(others)


@pytest.mark.parametrize("render_timeout", [0.5])
async def test_a_store_that_takes_too_long(front: Front, connection: "asyncpg.Connection[asyncpg.Record]") -> None:
    """It has failed when its time is over; who asks beside it waits for that twice at most."""
    await store(connection, "perform pg_sleep(60);")
    await front.say(Fetch("rooms{}"), Fetch("bad{}"))
    assert (await front.hear(Gone)).error.code == "failed"
    assert (await front.hear(Snapshot)).key == "rooms{}"


async def test_a_store_that_grows_too_large(front: Front, connection: "asyncpg.Connection[asyncpg.Record]") -> None:
    """By a commit that is larger than a document may be: its holders are told, and the commit stands."""
    await store(connection, "return '{}';")
    await connection.execute(
        """
        create table public.page (id integer primary key, body text);
        grant usage on schema public to fluxwire_application;
        grant select on public.page to fluxwire_application;
        select flux.watch(store => 'bad', path => '{pages}', source => 'public.page', match => '{}', key => 'id');
        """
    )
    await front.say(Fetch("bad{}"))
    await front.hear(Snapshot)
    await connection.execute("insert into public.page select i, repeat('x', 1000000) from generate_series(1, 5) as i")
    gone = await front.hear(Gone)
    assert (gone.key, gone.error.code) == ("bad{}", "store_too_large")
    assert await connection.fetchval("select count(*) from public.page") == 5


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ("loop perform 1; end loop;", "failed"),
        ("perform pg_sleep(60);", "failed"),
        ("commit;", "failed"),
        ("create temporary table t (i int); discard temp;", None),
        ("set search_path to pg_temp; set statement_timeout to 0;", None),
        ("perform pg_notify('flux', i::text) from generate_series(1, 100000) as i;", None),
        ("perform pg_notify('flux', repeat('x', 7000) || i) from generate_series(1, 3000) as i;", None),
        ("perform flux.touch_all();", None),
        ("perform repeat('x', 2000000000);", "failed"),
        ("perform flux.touch('rooms') from generate_series(1, 1000);", None),
    ],
)
async def test_actions(
    front: Front, connection: "asyncpg.Connection[asyncpg.Record]", body: str, code: str | None
) -> None:
    """An action that misbehaves ends with a code; actions beside it take effect, and stores are told."""
    await connection.execute(
        f"create function actions.bad() returns void language plpgsql as $$ begin {body} end $$; select flux.refresh()"
    )
    await front.say(Fetch("rooms{}"))
    await front.hear(Snapshot)
    await front.say(
        front.action("create_room", '{"room": "a"}'),
        front.action("bad", "{}"),
        front.action("create_room", '{"room": "b"}'),
        front.action("create_room", '{"room": "c"}', actor="eve", client="c2"),
    )
    answers = [await front.outcome(1), await front.outcome(3), await front.outcome(1, client="c2")]
    assert [answer.status for answer in answers] == ["ok"] * 3
    bad = await front.outcome(2)
    assert (bad.error.code if bad.error else None) == code
    rooms: set[str] = set()
    while rooms != {"a", "b", "c"}:
        for update in (await front.hear(Commit)).updates:
            rooms |= {op["path"].removeprefix("/rooms/") for op in orjson.loads(update.frame)["patch"]}


async def test_an_action_that_cannot_be_cancelled(
    front: Front, connection: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    """It ends with the connection it runs on, a few times, and is then refused; others wait for so long, once."""
    await connection.execute(
        """
        create function actions.bad() returns void language plpgsql as $$
        begin
          loop
            begin
              perform pg_sleep(1);
            exception when query_canceled then null;
            end;
          end loop;
        end $$;
        select flux.refresh();
        """
    )
    await front.say(
        front.action("create_room", '{"room": "a"}'),
        front.action("bad", "{}"),
        front.action("create_room", '{"room": "b"}'),
        front.action("create_room", '{"room": "c"}', actor="eve", client="c2"),
    )
    assert (await front.outcome(1, client="c2")).status == "ok"
    bad, last = await front.outcome(2), await front.outcome(3)
    assert bad.error is not None
    assert (bad.error.code, last.status) == ("poison", "ok")


@pytest.mark.parametrize("number", [-1, 0, 5, 2**53 - 1])
async def test_numbers_that_jump(front: Front, number: int) -> None:
    """A number that is not the next one is not tried, whatever it is, and costs the client nothing."""
    await front.say(front.action("create_room", '{"room": "a"}'))
    assert (await front.outcome(1)).status == "ok"
    action = front.action("create_room", '{"room": "b"}')
    fields = {name: getattr(action, name) for name in action.__struct_fields__}
    await front.say(type(action)(**fields | {"number": number}), action)
    jumped = await front.outcome(number)
    assert jumped.status == "invalid"
    assert jumped.error is not None
    assert jumped.error.code in {"number_gap", "outcome_expired"}
    assert (await front.outcome(2)).status == "ok"


async def test_a_number_with_another_payload(front: Front) -> None:
    """A number that was used stands for the action it was used for."""
    first = front.action("create_room", '{"room": "a"}')
    fields = {name: getattr(first, name) for name in first.__struct_fields__}
    await front.say(first, type(first)(**fields | {"params": '{"room": "b"}'}))
    answers = [await front.hear(Outcome), await front.hear(Outcome)]
    assert [(answer.status, answer.error.code if answer.error else None) for answer in answers] == [
        ("ok", None),
        ("invalid", "number_reused"),
    ]


@pytest.mark.parametrize(
    ("params", "code"),
    [
        ("[" * 10_000 + "]" * 10_000, "invalid_argument"),
        ('{"room": ' + "[" * 10_000 + "]" * 10_000 + "}", "constraint"),
        ('{"room": "\\u0000"}', "invalid_argument"),
        ('{"room": "' + "".join(f"{i:x}" for i in range(2000)) + '"}', "constraint"),
    ],
)
async def test_parameters(front: Front, params: str, code: str) -> None:
    """What Postgres does not take, and what is too long for a store's key; nobody beside is the worse for it."""
    await front.say(
        front.action("create_room", params),
        front.action("create_room", '{"room": "b"}'),
        Open(1, "room", params, "ada", "{}"),
        Open(2, "rooms", "{}", "ada", "{}"),
    )
    refused, good = await front.outcome(1), await front.outcome(2)
    assert refused.error is not None
    assert (refused.error.code, good.status) == (code, "ok")
    assert (await front.hear(Denied)).error.code == "invalid_argument"
    assert (await front.hear(Opened)).request == 2


async def test_a_row_whose_store_has_too_long_a_key(
    front: Front, connection: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    """The action that writes it is refused, alone; a foreign writer is told the rule by its name."""
    await connection.execute(
        """
        create table public.page (title text primary key);
        grant usage on schema public to fluxwire_application;
        grant select, insert on public.page to fluxwire_application;
        create function stores.page(title text) returns jsonb language sql stable as $$ select '{}'::jsonb $$;
        create function actions.write(title text) returns void language sql as
          $$ insert into public.page values (write.title) $$;
        select flux.refresh();
        select flux.watch(store => 'page', path => '{row}', source => 'public.page', match => '{"title": "title"}');
        """
    )
    long = "".join(f"{i:x}" for i in range(900))
    await front.say(front.action("write", f'{{"title": "{long}"}}'), front.action("write", '{"title": "short"}'))
    refused, good = await front.outcome(1), await front.outcome(2)
    assert refused.error is not None
    assert (refused.error.code, good.status) == ("failed", "ok")
    with pytest.raises(asyncpg.CheckViolationError) as caught:
        await connection.execute("insert into public.page values ($1)", long)
    assert caught.value.constraint_name == "a_store_key_has_at_most_2000_bytes"
