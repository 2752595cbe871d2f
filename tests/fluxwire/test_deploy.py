"""Deploys: all or nothing, once or again, and what is said when they fail."""

import asyncio
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest

from fluxwire.__main__ import main
from fluxwire.deploy import DeployError, deploy
from tests.services import CHAT

CHECKER_STUB = """
set allow_system_table_mods = on;
create schema "the checker";
create function "the checker".plpgsql_check_function_tb(funcoid regprocedure, fatal_errors boolean)
returns table (lineno integer, level text, message text, hint text) language sql as $$
  select 4, 'warning extra', 'unused variable "_unused"', 'Drop it.'
  from pg_proc p where p.oid = funcoid and p.proname = 'create_room' and flux.actor() <> ''
$$;
insert into pg_extension (oid, extname, extowner, extnamespace, extrelocatable, extversion)
values (65000, 'plpgsql_check', 10, '"the checker"'::regnamespace, false, '2');
"""


@pytest.fixture
def chat(tmp_path: Path) -> Path:
    """A copy of the chat's SQL, to be changed."""
    return Path(shutil.copytree(CHAT / "sql", tmp_path / "sql")).parent


@pytest.fixture
async def connection(database: str) -> "AsyncIterator[asyncpg.Connection[asyncpg.Record]]":
    """A connection to a database with the engine and the chat, in which somebody has led."""
    connected = await asyncpg.connect(database)
    await connected.execute("select flux.take_lead(term, 'test') from flux.term")
    yield connected
    connected.terminate()


async def epoch(database: str) -> str:
    connection = await asyncpg.connect(database)
    found = await connection.fetchval("select epoch from flux.epoch")
    connection.terminate()
    assert isinstance(found, str)
    return found


async def refused(database: str, application: Path) -> list[str]:
    """Deploy what cannot be deployed: the lines of the error, without the folder; nothing has happened."""
    before = await epoch(database)
    with pytest.raises(DeployError) as caught:
        await deploy(database, application)
    assert await epoch(database) == before
    return str(caught.value).replace(f"{application}/sql/", "").split("\n")


def edit(file: Path, old: str, new: str) -> None:
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))


async def test_unchanged_deploy_changes_nothing(database: str, chat: Path) -> None:
    """The same files again touch no function and begin no epoch."""
    functions = "select array_agg(xmin::text order by oid) from pg_proc where pronamespace = 'flux'::regnamespace"
    connection = await asyncpg.connect(database)
    before = await connection.fetchval(functions), await epoch(database)
    done = await deploy(database, chat)
    assert (done.changed, done.warnings) == ([], [])
    assert (await connection.fetchval(functions), await epoch(database)) == before
    connection.terminate()


async def touched(connection: "asyncpg.Connection[asyncpg.Record]") -> tuple[str, int, int]:
    """The epoch, the base of all versions, and how often the multiplexer is told that all stores were touched."""
    row = await connection.fetchrow(
        "select e.epoch, e.base, (select count(*) from flux.patch p where p.key = '') as told from flux.epoch e"
    )
    assert row is not None
    return tuple(row)


async def test_changed_file_touches_all_stores(
    database: str, connection: "asyncpg.Connection[asyncpg.Record]", chat: Path
) -> None:
    """A changed store, a new action and a new migration are deployed, each named, and all stores are touched, once."""
    epoch, base, told = await touched(connection)
    edit(chat / "sql/stores/rooms.sql", "'{}'", '\'{"motd": "hello"}\'')
    (chat / "sql/actions/idle.sql").write_text("create function actions.idle() returns void language sql as '';")
    (chat / "sql/migrations/0002_more.sql").write_text("create table chat.more ();")
    done = await deploy(database, chat)
    assert done.changed == ["0002_more", "actions/idle.sql", "stores/rooms.sql"]
    assert await touched(connection) == (epoch, base + 1, told + 1)
    assert await connection.fetchval("select document ->> 'motd' from flux.render('rooms{}')") == "hello"


async def test_changed_action_touches_nothing(
    database: str, connection: "asyncpg.Connection[asyncpg.Record]", chat: Path
) -> None:
    """No store renders otherwise for it, so none is rendered."""
    before = await touched(connection)
    edit(chat / "sql/actions/post_message.sql", "4000", "5000")
    assert (await deploy(database, chat)).changed == ["actions/post_message.sql"]
    assert await touched(connection) == before


async def test_other_keys_begin_an_epoch(
    database: str, connection: "asyncpg.Connection[asyncpg.Record]", chat: Path
) -> None:
    """A store with another argument, or made private, goes by other keys: what clients hold is of no use with these."""
    clock = chat / "sql/stores/clock.sql"
    body = "returns jsonb language sql stable as $$ select '{}'::jsonb $$;"
    clock.write_text(f"create or replace function stores.clock() {body}")
    await deploy(database, chat)
    first, _, _ = await touched(connection)
    clock.write_text(
        "drop function if exists stores.clock();"
        f"create or replace function stores.clock(zone text default 'UTC') {body}"
    )
    await deploy(database, chat)
    second, _, _ = await touched(connection)
    await connection.execute("select flux.declare_store('room', private => true)")
    third, _, _ = await touched(connection)
    assert len({first, second, third}) == 3
    assert await connection.fetchval("select base = 3 and (select count(*) from flux.patch) = 3 from flux.epoch")


async def test_missing_history_is_said(database: str, chat: Path) -> None:
    """A migration that ran and is not in the folder is said: it may be the wrong folder."""
    (chat / "sql/migrations/0001_chat.sql").unlink()
    assert (await deploy(database, chat)).warnings == ["The migration 0001_chat ran here, and is not in the folder."]


async def test_edited_history_is_refused(database: str, chat: Path) -> None:
    """A migration that ran is never changed."""
    edit(chat / "sql/migrations/0001_chat.sql", "120", "140")
    (line,) = await refused(database, chat)
    assert line.startswith("The migration migrations/0001_chat.sql was changed after it ran here.")


async def test_removed_file_is_said(database: str, chat: Path) -> None:
    """What a removed file made stays, and that is said once."""
    (chat / "sql/actions/leave_room.sql").unlink()
    done = await deploy(database, chat)
    assert done.warnings == ["actions/leave_room.sql is gone; what it made stays until a migration drops it."]
    assert (await deploy(database, chat)).warnings == []


async def test_error_in_a_body_has_its_line_and_hint(database: str, chat: Path) -> None:
    """A body is read when all is there: what is wrong in it is found at its line of the file."""
    file = chat / "sql/actions/leave_room.sql"
    edit(file, "begin\n", "begin\n  perfrm 1;\n")
    assert (await refused(database, chat))[0] == 'actions/leave_room.sql:7: syntax error at or near "perfrm"'


async def test_error_in_a_query_has_the_databases_hint(database: str, chat: Path) -> None:
    """An SQL function that names no column is refused with the server's own hint."""
    (chat / "sql/stores/names.sql").write_text(
        "-- Names.\ncreate function stores.names() returns jsonb language sql stable as $$\n"
        "  select jsonb_agg(\n    m.naem)\n  from chat.member m\n$$;\n"
    )
    assert await refused(database, chat) == [
        "stores/names.sql:4: column m.naem does not exist",
        '  hint: Perhaps you meant to reference the column "m.name".',
    ]


@pytest.mark.parametrize(
    ("text", "first"),
    [
        ("create table chat.a ();\n\ncreate table chat.b (\n  n nonsense\n);", ':4: type "nonsense" does not exist'),
        ("create table chat.a ();\n\ncreate table chat.a ();", ':3: relation "a" already exists'),
        ("-- one\ndo $$\nbegin\n  perform 1 / 0;\nend $$;", ":4: division by zero"),
        ("select 1;\nselect 'never ended;", ':2: unterminated quoted string at or near "\'never ended;"'),
    ],
)
async def test_error_in_a_migration_has_its_line(database: str, chat: Path, text: str, first: str) -> None:
    """By the position the server tells, by its line in a do block, or by the statement."""
    (chat / "sql/migrations/0002_wrong.sql").write_text(text)
    assert (await refused(database, chat))[0] == f"migrations/0002_wrong.sql{first}"


@pytest.mark.parametrize(
    "word", ["commit", "Begin", "start  transaction", "rollback", "end", "prepare transaction 'x'"]
)
async def test_no_script_ends_the_deploys_transaction(database: str, chat: Path, word: str) -> None:
    """Half a deploy would stay."""
    (chat / "sql/migrations/0002_wrong.sql").write_text(f"create table chat.half ();\n{word};")
    said = await refused(database, chat)
    assert said == ["migrations/0002_wrong.sql:2: a deploy is one transaction, which no script begins or ends."]
    connection = await asyncpg.connect(database)
    assert await connection.fetchval("select to_regclass('chat.half')") is None
    connection.terminate()


async def test_what_a_script_sets_is_for_itself(database: str, chat: Path) -> None:
    """Dumps empty the search path and take roles on; the next script knows nothing of it."""
    (chat / "sql/migrations/0002_dump.sql").write_text(
        "create schema late authorization fluxwire_application;"
        "select set_config('search_path', 'chat', false); set role fluxwire_application; set datestyle to german;"
    )
    (chat / "sql/migrations/0003_next.sql").write_text(
        "create table public.seen as select current_setting('search_path') as path, current_user::text as who,"
        " current_setting('datestyle') as style, current_setting('check_function_bodies') as bodies;"
    )
    await deploy(database, chat)
    connection = await asyncpg.connect(database)
    seen = await connection.fetchrow("select * from public.seen")
    connection.terminate()
    assert tuple(seen or ()) == ('"$user", public', "fluxwire", "ISO, MDY", "off")


async def test_refused_declaration_has_its_line(database: str, chat: Path) -> None:
    """What a function of the engine refuses is said where it was called."""
    (chat / "sql/declarations.sql").write_text(
        "select flux.declare_store('rooms');\nselect flux.declare_store('none');"
    )
    said = await refused(database, chat)
    assert said[0] == 'declarations.sql:2: there is no function stores."none"'
    assert said[-1].startswith("  in: PL/pgSQL function flux.declare_store(")


async def test_a_name_twice_is_refused_with_a_hint(database: str, chat: Path) -> None:
    """What only shows when all is there is refused too."""
    (chat / "sql/actions/twice.sql").write_text("create function actions.join_room() returns void language sql as '';")
    said = await refused(database, chat)
    assert said[0] == "defined more than once: actions.join_room"
    assert said[1].startswith("  hint: A client names an action")


async def test_findings_of_plpgsql_check_are_warnings(
    database: str, chat: Path, connection: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    """Where the extension is, what it finds is told with file and line. (A stub stands in for it.)"""
    await connection.execute(CHECKER_STUB)
    (chat / "sql/actions/idle.sql").write_text("create function actions.idle() returns void language sql as '';")
    done = await deploy(database, chat)
    line = (CHAT / "sql/actions/create_room.sql").read_text().split("\n").index("as $$") + 1 + 3
    assert done.warnings == [
        f'{chat}/sql/actions/create_room.sql:{line}: warning extra: unused variable "_unused" (Drop it.)'
    ]


async def test_deploy_gives_way_to_running_actions(
    database: str, chat: Path, connection: "asyncpg.Connection[asyncpg.Record]", monkeypatch: pytest.MonkeyPatch
) -> None:
    """A deploy that waits for a table too long lets others pass and says so; the table is free for it afterwards."""
    monkeypatch.setattr("fluxwire.deploy.LOCK_TIMEOUT", "20ms")
    (chat / "sql/migrations/0002_more.sql").write_text("\nalter table chat.room add column topic text;")
    transaction = connection.transaction()
    await transaction.start()
    await connection.execute("update chat.room set title = title")
    said = await refused(database, chat)
    assert said[0] == "migrations/0002_more.sql:2: canceling statement due to lock timeout"
    await transaction.rollback()
    assert (await deploy(database, chat)).changed == ["0002_more"]


async def test_two_deploys_at_once_are_one_after_the_other(empty_database: str, chat: Path) -> None:
    """Whoever comes second finds it done."""
    first, second = await asyncio.gather(deploy(empty_database, chat), deploy(empty_database, chat))
    assert sorted([bool(first.changed), bool(second.changed)]) == [False, True]


@pytest.mark.parametrize("words", [[], ["--application"]])
def test_command_names_the_folder_either_way(
    words: list[str],
    database18: str,
    chat: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """`fluxwire deploy DIR` deploys, shows warnings, and puts a failure into words and exit code."""
    monkeypatch.setenv("DATABASE_URL", database18)
    (chat / "sql/actions/leave_room.sql").unlink()
    assert main(["deploy", *words, str(chat)]) == 0
    assert "Warning: actions/leave_room.sql is gone" in capsys.readouterr().out
    (chat / "sql/actions/leave_room.sql").write_text("create nonsense;")
    assert main(["deploy", *words, str(chat)]) == 1
    said = capsys.readouterr().err
    assert "the database is as it was" in said
    assert 'leave_room.sql:1: syntax error at or near "nonsense"' in said


async def test_not_utf8_is_said(database: str, chat: Path) -> None:
    """A file in another encoding is refused in words."""
    (chat / "sql/actions/latin.sql").write_bytes(b"-- \xe9\n")
    assert "is not UTF-8" in (await refused(database, chat))[0]
