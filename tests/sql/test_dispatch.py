"""Numbers, outcomes and order: what ``flux.dispatch`` promises."""

import asyncio
import uuid

import asyncpg
import orjson
import pytest

from .database import Sent, Sql

FOR_TESTS = """
    alter default privileges in schema public grant all on tables to fluxwire_application;
    grant usage on schema public to fluxwire_application;
    create table public.seen (actor text, at timestamptz, id uuid, roll double precision, claims jsonb);
    create function actions.see() returns timestamptz language plpgsql as $$
    begin
      insert into public.seen values (flux.actor(), flux.now(), flux.uuid(), flux.random(), flux.claims());
      return flux.now();
    end $$;
    create function actions.deadlock() returns void language plpgsql as $$
    begin raise exception using errcode = '40P01'; end $$;
    create function actions.typed(
      i integer default 7, n numeric default 1.50, d date default '2026-01-01', tags text[] default '{}'
    )
    returns jsonb language sql as $$ select jsonb_build_array(i, n, d, tags) $$;
    create function actions.rows() returns table (a integer, b text) language sql as $$ values (1, 'x') $$;
    create table public.pair (a integer primary key, b integer references public.pair deferrable initially deferred);
    create function actions.pair(a integer, b integer) returns void language sql as
      $$ insert into public.pair values (pair.a, pair.b) $$;
    create function stores.number(n numeric default 1.50, i integer default 2) returns jsonb language sql stable as
      $$ select jsonb_build_object('n', n) $$;
    select flux.declare_store('number'), flux.refresh();
"""


@pytest.fixture(autouse=True)
async def functions(sql: Sql) -> None:
    await sql.connection.execute(FOR_TESTS)


async def test_numbers(sql: Sql) -> None:
    """A used number gives the stored outcome; another payload, a gap and an unknown client are told."""
    room = '{"room": "den"}'
    assert await sql.statuses(
        Sent(1, "create_room", room),
        Sent(1, "create_room", room),
        Sent(1, "create_room", '{"room": "other"}'),
        Sent(3, "join_room", room),
        Sent(2, "nothing", room),
        Sent(3, "join_room", room),
        Sent(5, "join_room", room, client="new"),
    ) == [
        ("ok", None),
        ("ok", None),
        ("invalid", "number_reused"),
        ("invalid", "number_gap"),
        ("refused", "unknown_action"),
        ("ok", None),
        ("invalid", "client_expired"),
    ]
    assert await sql.statuses(
        Sent(2, "nothing", room), Sent(1, "create_room", room), Sent(1, "join_room", room), Sent(4, "leave_room", room)
    ) == [("refused", "unknown_action"), ("ok", None), ("invalid", "number_reused"), ("ok", None)]
    assert await sql.connection.fetchval("select count(*) from flux.client") == 1
    assert await sql.connection.fetchval("select array_agg(number order by seq) from flux.action") == [1, 2, 3, 4]


async def test_outcome_sent_again_is_whole(sql: Sql) -> None:
    """The stored outcome has the reply and the stores of the first time."""
    sent = Sent(1, "create_room", '{"room": "den"}')
    (first, twin) = await sql.dispatch(sent, sent)
    (again,) = await sql.dispatch(sent)
    assert tuple(first) == tuple(twin)
    assert (first["reply"], orjson.loads(first["stores"])) == (again["reply"], orjson.loads(again["stores"]))
    assert orjson.loads(again["stores"]) == {"rooms{}": 1, 'room{"room": "den"}': 1}


async def test_a_client_id_belongs_to_its_actor(sql: Sql) -> None:
    """Another actor with the same client id has numbers of his own and reads none of the first one's outcomes."""
    sent = Sent(1, "create_room", '{"room": "den"}', client="same")
    assert await sql.statuses(sent, sent._replace(actor="eve", name="see", params="{}")) == [("ok", None), ("ok", None)]


async def test_expired_outcomes_are_told(sql: Sql) -> None:
    """Past the log's keeping the answer is that it was applied, never a second run."""
    await sql.statuses(Sent(1, "see", "{}"))
    await sql.connection.execute("delete from flux.action")
    assert await sql.statuses(Sent(1, "see", "{}")) == [("invalid", "outcome_expired")]
    assert await sql.connection.fetchval("select count(*) from public.seen") == 1


async def test_transient_faults_hold_their_client_back(sql: Sql) -> None:
    """A deadlock uses no number, holds back the client's later actions, and nobody else's."""
    assert await sql.statuses(Sent(1, "deadlock", "{}"), Sent(2, "see", "{}"), Sent(1, "see", "{}", actor="bob")) == [
        ("retry", "transient"),
        ("retry", "held"),
        ("ok", None),
    ]
    await sql.connection.execute("create or replace function actions.deadlock() returns void language sql as ''")
    assert await sql.statuses(Sent(1, "deadlock", "{}"), Sent(2, "see", "{}")) == [("ok", None), ("ok", None)]


async def test_a_deposed_leader_commits_nothing(sql: Sql) -> None:
    """With a term that has ended the batch is refused as a whole."""
    with pytest.raises(asyncpg.PostgresError) as caught:
        await sql.dispatch(Sent(1, "see", "{}"), term=sql.term - 1)
    assert caught.value.sqlstate == "FX002"
    assert await sql.connection.fetchval("select count(*) from public.seen") == 0


async def test_time_uuids_and_chance(sql: Sql) -> None:
    """Every action has a later time than the last; uuids are version 7 and all different; chance is in [0, 1)."""
    for start in (1, 31):
        await sql.dispatch(*(Sent(number, "see", "{}") for number in range(start, start + 30)))
    rows = await sql.connection.fetch("select * from public.seen order by at")
    times = [row["at"] for row in rows]
    assert len(set(times)) == len(rows) == 60
    assert times == [row["at"] for row in await sql.connection.fetch("select at from flux.action order by seq")]
    made = [uuid.UUID(str(row["id"])) for row in rows]
    assert {(one.version, one.variant) for one in made} == {(7, uuid.RFC_4122)}
    assert len(set(made)) == 60
    assert all(0 <= row["roll"] < 1 for row in rows)
    assert len({row["roll"] for row in rows}) == 60


async def test_arguments(sql: Sql) -> None:
    """Payload keys are arguments: cast to their types, defaults for what is left out, any kind of result."""
    results = await sql.dispatch(
        Sent(1, "typed", "{}"),
        Sent(2, "typed", '{"i": "12", "n": 2.50, "d": "2026-02-03", "tags": ["a", "b"]}'),
        Sent(3, "typed", '{"i": null}'),
        Sent(4, "rows", "{}"),
        Sent(5, "typed", '{"i": "twelve"}'),
        Sent(6, "typed", '{"d": "2026-02-30"}'),
    )
    assert [orjson.loads(row["reply"]) if row["reply"] else row["code"] for row in results] == [
        [7, 1.5, "2026-01-01", []],
        [12, 2.5, "2026-02-03", ["a", "b"]],
        [None, 1.5, "2026-01-01", []],
        {"a": 1, "b": "x"},
        "invalid_argument",
        "invalid_argument",
    ]


async def test_names_that_mean_something_in_javascript(sql: Sql) -> None:
    """As an argument they are unknown, inside of one they are data like any other, and come back as they went."""
    typed = '{"tags": ["__proto__"], "%s": {"polluted": true}}'
    results = await sql.dispatch(
        *(
            Sent(number, "typed", typed % name)
            for number, name in enumerate(("__proto__", "constructor", "toString"), 1)
        ),
        Sent(4, "typed", '{"tags": ["__proto__", "constructor"]}'),
    )
    assert [row["code"] for row in results[:3]] == ["unknown_argument"] * 3
    assert orjson.loads(results[3]["reply"])[3] == ["__proto__", "constructor"]


async def test_deferred_constraints_are_each_actions_own(sql: Sql) -> None:
    """A deferred foreign key is checked at the end of the action that broke it, and stays deferred for the next."""
    assert await sql.statuses(
        Sent(1, "pair", '{"a": 1, "b": 99}'), Sent(2, "pair", '{"a": 2, "b": 2}'), Sent(3, "see", "{}")
    ) == [("refused", "constraint"), ("ok", None), ("ok", None)]
    (row,) = await sql.dispatch(Sent(4, "pair", '{"a": 3, "b": 98}'))
    assert row["constraint_name"] == "pair_b_fkey"
    assert "98" not in row["message"]


async def test_an_empty_batch(sql: Sql) -> None:
    """It has no outcomes, tells nothing, and ends."""
    answer = await asyncio.wait_for(sql.answer(), timeout=10)
    assert (answer["outcomes"], answer["notices"]) == ([], [])


async def test_what_is_told_of_a_batch(sql: Sql) -> None:
    """Its own patches, and the names of commits that ring: what it builds upon among them, also when forgotten late."""
    foreign = await asyncpg.connect(sql.url)
    room = '{"room": "lobby"}'
    await sql.dispatch(Sent(1, "create_room", '{"room": "lobby", "title": "x"}'), Sent(2, "join_room", room))
    title = (
        "with t as (update chat.room set title = title || 'x' returning 1) select pg_current_xact_id()::text::bigint"
    )
    first, second = await foreign.fetchval(title), await foreign.fetchval(title)
    rename = '{"room": "lobby", "title": "y"}'
    answer = await sql.answer(Sent(3, "rename_room", rename), most_bytes=1_000)
    assert answer["rung"] == [first, second]
    rooms, notice = sorted(answer["notices"], key=lambda notice: str(notice["key"]))
    assert (notice["key"], rooms["key"]) == ('room{"room": "lobby"}', "rooms{}")
    assert not notice["rings"]
    assert notice["to_version"] == orjson.loads(answer["outcomes"][0]["stores"])[notice["key"]]
    assert orjson.loads(notice["ops"])[0]["value"]["title"] == "y"
    own = notice["tx"]

    await foreign.execute("select flux.forget($1, $2)", [first], [second, own])
    answer = await sql.answer(Sent(4, "rename_room", rename), most_bytes=10)
    assert answer["rung"] == [second]
    assert [notice["ops"] for notice in answer["notices"]] == [None, None]
    assert await foreign.fetchval("select flux.patches($1, 1000)", [own]) == []
    await foreign.close()


async def test_refusals_from_outside(sql: Sql) -> None:
    """An action that is not to run is refused with the code given, logged, and its number is used."""
    assert await sql.statuses(Sent(1, "see", "{}", refusal="poison"), Sent(2, "see", "{}")) == [
        ("refused", "poison"),
        ("ok", None),
    ]
    assert await sql.connection.fetchval("select array_agg(coalesce(code, status) order by seq) from flux.action") == [
        "poison",
        "ok",
    ]


async def test_equal_parameters_are_one_key(sql: Sql) -> None:
    """1, "1", 1.0 and an omitted default are one store."""
    keys = {
        await sql.connection.fetchval("select key from flux.open('number', $1, 'ada', '{}')", params)
        for params in ("{}", '{"n": 1.5}', '{"n": "1.500"}', '{"n": 15e-1, "i": 2.0}', '{"i": "2"}')
    }
    assert keys == {'number{"i": 2, "n": 1.5}'}


async def test_undeclared_stores_are_forbidden(sql: Sql) -> None:
    """Without a declaration nobody reads; a permission function that breaks says no."""
    await sql.connection.execute(
        """
        create function stores.secret() returns jsonb language sql stable as $$ select '{}'::jsonb $$;
        create function public.may(actor text, params jsonb) returns boolean language plpgsql as
          $$ begin if actor = 'break' then raise 'no'; end if; return actor = 'ada'; end $$;
        select flux.refresh();
        """
    )

    async def verdicts() -> list[str | None]:
        return [
            await sql.connection.fetchval("select coalesce(code, key) from flux.open('secret', '{}', $1, '{}')", actor)
            for actor in ("ada", "bob", "break", "")
        ]

    assert await verdicts() == ["forbidden"] * 4
    await sql.connection.execute("select flux.declare_store('secret', permit => 'public.may')")
    assert await verdicts() == ["secret{}", "forbidden", "forbidden", "forbidden"]


async def test_private_stores_are_the_actors_own(sql: Sql) -> None:
    """A private store renders for its actor, who is in the key; a shared one has no actor."""
    await sql.connection.execute(
        """
        create function stores.me() returns jsonb language sql stable as
          $$ select jsonb_build_object('me', flux.actor()) $$;
        create function stores.nobody() returns jsonb language sql stable as
          $$ select jsonb_build_object('me', flux.actor()) $$;
        select flux.declare_store('me', private => true), flux.declare_store('nobody'), flux.refresh();
        """
    )
    key = await sql.connection.fetchval("select key from flux.open('me', '{}', 'ada', '{}')")
    assert (await sql.render(key))[1] == {"me": "ada"}
    assert await sql.connection.fetchval("select code from flux.open('me', '{\"@actor\": \"bob\"}', 'ada', '{}')") == (
        "unknown_argument"
    )
    assert await sql.connection.fetchval("select code from flux.open('me', '{}', '', '{}')") == "forbidden", "no token"
    with pytest.raises(asyncpg.PostgresError) as caught:
        await sql.render("nobody{}")
    assert caught.value.sqlstate == "FX003"


async def test_lead_is_taken_once(sql: Sql) -> None:
    """Of two who saw the same term one leads; the other's signs of life are refused."""
    other = await asyncpg.connect(sql.url)
    taken = await asyncio.gather(
        sql.connection.fetchval("select flux.take_lead($1, 'a')", sql.term),
        other.fetchval("select flux.take_lead($1, 'b')", sql.term),
    )
    assert sorted(taken, key=lambda term: term or 0) == [None, sql.term + 1]
    assert await other.fetchval("select flux.beat($1)", sql.term + 1) is True
    assert await other.fetchval("select flux.beat($1)", sql.term) is False
    other.terminate()


async def test_another_history_is_another_epoch(sql: Sql) -> None:
    """A lead over a database that was restored or failed over begins a new epoch; any other lead does not."""

    async def lead() -> str:
        await sql.connection.execute("select flux.take_lead(term, 'test') from flux.term")
        epoch = await sql.connection.fetchval("select epoch from flux.epoch")
        assert isinstance(epoch, str)
        return epoch

    first = await lead()
    assert await lead() == first
    # As after a restore: the same rows in another table.
    await sql.connection.execute(
        """
        create table flux.restored (like flux.version including all);
        drop table flux.version;
        alter table flux.restored rename to version;
        """
    )
    second = await lead()
    assert second != first
    assert await lead() == second


async def test_every_function_says_what_it_does(sql: Sql) -> None:
    """Each function of the engine and of the example has a comment."""
    silent = await sql.connection.fetch(
        """
        select p.oid::regprocedure::text as name from pg_proc p
        where p.pronamespace in ('flux'::regnamespace, 'actions'::regnamespace, 'stores'::regnamespace)
          and p.proname !~ '^(action|bind|store|watch_[0-9]+)_' and obj_description(p.oid, 'pg_proc') is null
          and p.proname not in ('see', 'deadlock', 'typed', 'rows', 'pair', 'number')
        """
    )
    assert [row["name"] for row in silent] == []


@pytest.mark.parametrize(
    "definition",
    [
        "create function actions.see(i integer) returns void language sql as ''",
        "create function actions.nameless(integer) returns void language sql as ''",
        "create function actions.many(variadic ids integer[]) returns void language sql as ''",
        f"create function actions.{51 * 'x'}() returns void language sql as ''",
    ],
)
async def test_what_cannot_be_called_is_refused_at_deploy(sql: Sql, definition: str) -> None:
    """A name defined twice or too long, an argument without a name, a variadic one: refused before anybody calls."""
    await sql.connection.execute(definition)
    with pytest.raises(asyncpg.PostgresError) as caught:
        await sql.connection.execute("select flux.refresh()")
    assert caught.value.sqlstate in {"FX015", "FX016"}


async def test_dropped_actions_are_unknown(sql: Sql) -> None:
    """After a refresh an action that was dropped is unknown again."""
    await sql.connection.execute("drop function actions.see(); select flux.refresh()")
    assert await sql.statuses(Sent(1, "see", "{}"), Sent(2, "x" * 200, "{}"), Sent(3, 'a"b', "{}")) == (
        3 * [("refused", "unknown_action")]
    )


async def test_the_log_is_kept_in_months(sql: Sql) -> None:
    """Actions go to the partition of their month; a month that is dropped leaves exactly-once as it was."""
    await sql.statuses(Sent(1, "see", "{}"))
    month = await sql.connection.fetchval("select tableoid::regclass::text from flux.action")
    assert month == await sql.connection.fetchval(
        "select 'flux.action_' || to_char(now() at time zone 'UTC', 'YYYY_MM')"
    )
    assert await sql.connection.fetchval("select took >= interval '0' and took < interval '1 minute' from flux.action")
    assert await sql.connection.fetchval("select flux.trim_log(now())") == 0
    assert await sql.connection.fetchval("select flux.trim_log(now() + interval '40 days')") >= 1
    await sql.connection.execute("select flux.partition_log()")
    assert await sql.statuses(Sent(1, "see", "{}"), Sent(2, "see", "{}")) == [
        ("invalid", "outcome_expired"),
        ("ok", None),
    ]


async def test_an_action_without_its_month_is_kept(sql: Sql) -> None:
    """When nobody made the month's partition the default one takes it."""
    await sql.connection.execute("select flux.trim_log(now() + interval '400 days')")
    assert await sql.statuses(Sent(1, "see", "{}")) == [("ok", None)]
    assert await sql.connection.fetchval("select tableoid::regclass::text from flux.action") == "flux.action_default"
    await sql.connection.execute("select flux.partition_log()")
    assert await sql.statuses(Sent(1, "see", "{}"), Sent(2, "see", "{}")) == [("ok", None), ("ok", None)]
