"""The log leads to the same database again, and what does not is named: replay, verify, rehearse, at."""

import json
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from fluxwire.log.archive import exported
from fluxwire.log.blame import blame
from fluxwire.log.logged import BrokenLog, DatabaseLog, Until
from fluxwire.log.rehearse import rehearse
from fluxwire.log.replay import deploy_to, meter, replay
from fluxwire.log.target import Diverged, Target
from fluxwire.log.verify import verify
from fluxwire.stack.errors import StackError
from tests.fluxwire.terminal import Said, fluxwire
from tests.services import CHAT
from tests.sql.database import Sent, Sql

MESSAGES = "select id, room, author, body, sent_at from chat.message order by sent_at"
LOG = "select seq, link, actor, name, params, at, seed, status, reply, code, message from flux.action order by seq"


def post(number: int, body: str) -> Sent:
    return Sent(number, "post_message", json.dumps({"room": "lobby", "body": body}))


async def act(sql: Sql) -> None:
    """Nine actions in three batches; some are refused, one without having been run."""
    await sql.dispatch(
        Sent(1, "create_room", '{"room": "lobby", "title": "Lobby"}'), Sent(2, "join_room", '{"room": "lobby"}')
    )
    await sql.dispatch(
        post(3, "one"),
        post(4, 5000 * "x"),
        Sent(1, "post_message", '{"room": "lobby", "body": "not a member"}', actor="bob"),
        Sent(5, "no_such_action", "{}"),
    )
    await sql.dispatch(
        post(6, "two"), Sent(7, "post_message", '{"room": "lobby"}', refusal="poison"), post(8, "no \0 in it")
    )


@pytest.fixture
async def sql(database18: str) -> AsyncIterator[Sql]:
    """A chat in which something has happened."""
    async with Sql.connect(database18) as found:
        await act(found)
        yield found


def silent(_done: int, _total: int) -> None:
    pass


async def run_again(sql: Sql, into: str, until: Until = Until()) -> int:  # noqa: B008 - it is frozen
    async with Target.open(into) as target, sql.connection.transaction():
        return await replay(DatabaseLog(sql.connection), target, until, silent)


async def fetch(url: str, query: str) -> list[dict[str, Any]]:
    connection = await asyncpg.connect(url)
    try:
        return [dict(row) for row in await connection.fetch(query)]
    finally:
        await connection.close()


async def execute(url: str, statement: str) -> None:
    connection = await asyncpg.connect(url)
    await connection.execute(statement)
    await connection.close()


async def test_same_again(database: str, empty_database: str) -> None:
    """A replay leads to the same rows and to the same log, times, seeds and refusals among them."""
    await deploy_to(empty_database, CHAT)
    async with Sql.connect(database) as sql:
        await act(sql)
        assert await run_again(sql, empty_database) == 9
    assert len(await fetch(database, MESSAGES)) == 2
    for query in (MESSAGES, LOG):
        assert await fetch(empty_database, query) == await fetch(database, query)


async def test_in_two_goes(sql: Sql, empty_database18: str) -> None:
    """A replay goes on where it ended, and ends where it is told to: behind a number, or a time."""
    await deploy_to(empty_database18, CHAT)
    seqs = await fetch(sql.url, "select seq, at from flux.action order by seq")
    assert await run_again(sql, empty_database18, Until(seq=seqs[3]["seq"])) == 4
    assert await run_again(sql, empty_database18, Until(at=seqs[6]["at"])) == 7
    assert len(await fetch(empty_database18, LOG)) == 7
    for end in (Until(seq=6), Until(at=seqs[5]["at"])):
        with pytest.raises(StackError, match="up to action 7 already"):
            await run_again(sql, empty_database18, end)
    assert await run_again(sql, empty_database18) == 9
    assert await run_again(sql, empty_database18) == 9
    assert await fetch(empty_database18, MESSAGES) == await fetch(sql.url, MESSAGES)


def test_how_fast_it_is(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """What was there before a replay went on is done, and not counted for its speed."""
    now = 100.0
    monkeypatch.setattr("fluxwire.log.replay.time.monotonic", lambda: now)
    show = meter()
    show(1_000, 3_000)
    assert capsys.readouterr().err == ""
    now += 2.0
    show(2_000, 3_000)
    assert capsys.readouterr().err == "[####################..........] 2000/3000 actions, 500/s\n"


async def test_from_an_export(sql: Sql, empty_database18: str, tmp_path: Path) -> None:
    """What `fluxwire log --ndjson` wrote is a log, too; a line that is none is named."""
    path = tmp_path / "log.ndjson"
    await sql.connection.execute("update chat.message set body = body where body = 'one'")
    path.write_text((await fluxwire(sql.url, "log", "--ndjson")).out)
    words = ("replay", "--into", empty_database18, "--log", str(path), "--log", str(path), "--application", str(CHAT))
    said = await fluxwire(sql.url, *words)
    assert said.code == 0, said.err
    assert said.out.count("after action 9, ") == said.out.count(": row 01") == 1
    assert "up to action 9, from action 1 on, none of them otherwise" in said.out
    assert await fetch(empty_database18, LOG) == await fetch(sql.url, LOG)
    path.write_text(path.read_text().splitlines()[0] + '\n{"seq": 7}\n')
    async with Target.open(empty_database18) as target:
        with pytest.raises(StackError, match=r"log\.ndjson:2 is no action"):
            await replay(exported(str(path)), target, Until(), silent)


async def test_not_into_another_log(sql: Sql, empty_database18: str) -> None:
    """A database with a log of its own is not built upon, nor one that a multiplexer works on."""
    await deploy_to(empty_database18, CHAT)
    async with Sql.connect(empty_database18) as other:
        await other.dispatch(Sent(1, "create_room", '{"room": "x", "title": "X"}', client="another"))
        with pytest.raises(StackError, match="multiplexer works on"):
            await run_again(sql, empty_database18)
        await other.connection.execute("update flux.heartbeat set beat_at = 'epoch'")
    with pytest.raises(StackError, match="log of its own"):
        await run_again(sql, empty_database18)


async def test_verified(sql: Sql) -> None:
    """What only actions have written is what its log leads to; the scratch database is gone afterwards."""
    verdict = await verify(sql.url, CHAT)
    assert verdict.lines == ["9 actions replayed: 0 differences"]
    assert await fetch(sql.url, "select datname from pg_database where datname like 'fluxwire_scratch_%'") == []


@pytest.mark.parametrize(
    ("tamper", "named"),
    [
        (
            "update chat.message set body = 'never said' where body = 'one'",
            ['here {"body":"never said"}, replayed {"body":"one"}', "part after action 3, post_message", "row 0"],
        ),
        (
            "delete from chat.message where body = 'two'",
            ["here nothing, replayed {", "part after action 7, post_message", "fluxwire: row 0"],
        ),
        (
            "insert into chat.room values ('backdoor', 'Backdoor', 'eve', now())",
            ['chat.room, {"room":"backdoor"}: here {', 'in room{"room": "backdoor"}'],
        ),
        ("create table chat.secret (id int)", ["chat.secret: there is none in the replayed database"]),
    ],
)
async def test_what_was_written_past_the_actions(sql: Sql, tamper: str, named: list[str]) -> None:
    """A row that the log does not lead to is named, with both of its values, and so is a store that shows it."""
    await sql.connection.execute(tamper)
    text = "\n".join((await verify(sql.url, CHAT)).lines)
    assert all(name in text for name in named), text
    assert ("create table" in tamper) == ("store room" not in text)


@pytest.mark.parametrize(
    ("edit", "named"),
    [
        ("update flux.action set params = replace(params, 'one', 'five') where number = 3", "Action 3 .* link"),
        ("update flux.action set code = 'another' where number = 4", "Action 4 .* link"),
        ("update flux.action set reply = '{}' where number = 2", "Action 2 .* link"),
        ("delete from flux.action where number = 3", "after action 2 comes action 4"),
        ("update flux.action set seq = 15 - seq where seq in (7, 8)", "Action 7 .* link"),
    ],
)
async def test_edited_log(sql: Sql, edit: str, named: str) -> None:
    """A log in which an entry was edited, or from which one is gone, is not replayed beyond: it says which one."""
    await sql.connection.execute(edit)
    with pytest.raises(BrokenLog, match=named):
        await verify(sql.url, CHAT)


async def test_other_functions(sql: Sql, empty_database18: str, tmp_path: Path) -> None:
    """What does something else is named, with what it did and does, and what became of its function, if it is gone."""
    changed = changed_chat(tmp_path)
    otherwise = [str(found) for found in (await verify(sql.url, changed)).otherwise]
    assert "post_message, number 3 of 'ada'" in otherwise[0]
    assert "was ok, and is too_long now: A message has" in otherwise[0]
    (changed / "sql" / "actions" / "join_room.sql").write_text(
        "create function actions.join_room(hall text) returns void language sql as $$ select $$;"
    )
    await deploy_to(empty_database18, changed)
    with pytest.raises(Diverged, match=r'join_room.* now: The action "join_room" has no argument "room"'):
        await run_again(sql, empty_database18)
    await execute(empty_database18, "drop function actions.create_room; select flux.refresh()")
    with pytest.raises(Diverged, match=r'Action 1 \(create_room.* now: There is no action "create_room"'):
        await run_again(sql, empty_database18)
    assert await fetch(empty_database18, LOG) == []


def changed_chat(folder: Path) -> Path:
    """Make a chat in which no message is longer than two characters."""
    shutil.copytree(CHAT / "sql", folder / "sql")
    path = folder / "sql" / "actions" / "post_message.sql"
    path.write_text(path.read_text().replace("> 4000", "> 2"))
    return folder


async def test_rehearsed(sql: Sql, tmp_path: Path) -> None:
    """A changed function is tried on what has been: each action that it would have refused is named, and no other."""
    changed = changed_chat(tmp_path)
    assert (await rehearse(sql.url, CHAT)).lines == [
        "Of actions 1 to 9, 0 would come out otherwise, and 0 rows and stores."
    ]
    found = await rehearse(sql.url, changed)
    assert [(one.entry.seq, one.entry.outcome, one.outcome) for one in found.actions] == [
        (3, "ok", "too_long"),
        (5, "not_a_member", "too_long"),
        (7, "ok", "too_long"),
    ]
    assert "post_message: ok → too_long, 2 times" in found.lines
    assert any("table chat.message" in line and "rehearsed nothing" in line for line in found.lines)
    found = await rehearse(sql.url, changed, since=Until(seq=4), application=CHAT)
    assert [one.entry.seq for one in found.actions] == [5, 7]
    assert [one.kind for one in found.state] == ["table", "store"]
    found = await rehearse(sql.url, changed, since=Until(seq=3), end=Until(seq=6), application=CHAT)
    assert ([one.entry.seq for one in found.actions], found.state) == ([5], [])


async def test_blamed(sql: Sql) -> None:
    """The last action that changed what stands at a path is named, with both values; so is that none did."""
    await sql.dispatch(
        Sent(9, "rename_room", '{"room": "lobby", "title": "Hall"}'), post(10, "three"), post(11, 5000 * "x")
    )
    words = ("blame", "--application", str(CHAT), "store", "room", '{"room":"lobby"}', "/room/title")
    said = await fluxwire(sql.url, *words)
    assert said.code == 0
    assert said.out.startswith("Action 10 (rename_room, number 9 of 'ada', ")
    assert said.out.endswith('  was "Lobby"\n  is  "Hall"\n')
    found = await blame(sql.url, CHAT, "room", '{"room": "lobby"}', "/nowhere")
    assert (found.entry, found.here) == (None, None)
    with pytest.raises(StackError, match="no JSON pointer"):
        await blame(sql.url, CHAT, "room", '{"room": "lobby"}', "room")
    with pytest.raises(StackError, match="cannot be rendered"):
        await blame(sql.url, CHAT, "nowhere", "{}", "/room")


async def test_one_store(sql: Sql, empty_database18: str) -> None:
    """Bounded to a store, what did not touch it keeps its place in the log, and is not run."""
    await sql.dispatch(Sent(9, "create_room", '{"room": "den", "title": "Den"}'), post(10, "three"))
    await deploy_to(empty_database18, CHAT)
    async with Target.open(empty_database18, 'room{"room": "lobby"}') as target, sql.connection.transaction():
        assert await replay(DatabaseLog(sql.connection), target, Until(), silent) == 11
    assert await fetch(empty_database18, MESSAGES) == await fetch(sql.url, MESSAGES)
    assert await fetch(empty_database18, "select room from chat.room") == [{"room": "lobby"}]
    skipped = "select seq from flux.action where code = 'not_replayed' order by seq"
    assert [row["seq"] for row in await fetch(empty_database18, skipped)] == [4, 5, 6, 8, 9, 10]


async def test_at(sql: Sql) -> None:
    """A store as it was, behind an action and at a time; not as it will be, nor one that there is not."""
    (said,) = await fetch(sql.url, "select at::text from flux.action where seq = 3")

    async def at(*words: str) -> Said:
        return await fluxwire(sql.url, "at", "--application", str(CHAT), *words)

    found = [
        await at(*words, "store", "room", '{"room":"lobby"}') for words in (("--seq", "2"), ("--time", said["at"]))
    ]
    assert [(one.code, len(json.loads(one.out)["messages"])) for one in found] == [(0, 0), (0, 1)]
    assert "ends with action 9; there is no action 10" in (await at("--seq", "10", "store", "room")).err
    assert "nowhere cannot be rendered" in (await at("--seq", "1", "store", "nowhere")).err


COUNTED = """
create table chat.ticket (id bigint generated always as identity primary key, holder text not null, at timestamptz);
create sequence chat.turn start 100;
grant insert, select on chat.ticket to fluxwire_application;
grant usage on sequence chat.turn to fluxwire_application;
"""
DRAW = """
create or replace function actions.draw(twice boolean default false) returns jsonb language plpgsql volatile as $$
declare
  _id bigint;
begin
  insert into chat.ticket (holder, at) values (flux.actor(), flux.now()) returning id into _id;
  if draw.twice then
    perform flux.reject('greedy', 'One at a time.');
  end if;
  return jsonb_build_object('id', _id, 'turn', nextval('chat.turn'));
end;
$$;
"""


async def test_sequences(database: str, empty_database: str, tmp_path: Path) -> None:
    """Identity columns and sequences give the same numbers again, whoever else drew from them in between."""
    shutil.copytree(CHAT / "sql", tmp_path / "sql")
    (tmp_path / "sql" / "migrations" / "9000_ticket.sql").write_text(COUNTED)
    (tmp_path / "sql" / "actions" / "draw.sql").write_text(DRAW)
    await deploy_to(database, tmp_path)
    await deploy_to(empty_database, tmp_path)
    async with Sql.connect(database) as sql:
        await sql.dispatch(Sent(1, "draw", "{}"), Sent(2, "draw", '{"twice": true}'), Sent(3, "draw", "{}"))
        await sql.connection.execute("select nextval('chat.turn'), nextval('chat.ticket_id_seq')")
        await sql.dispatch(Sent(4, "create_room", '{"room": "lobby", "title": "Lobby"}'), Sent(5, "draw", "{}"))
        assert await run_again(sql, empty_database) == 5
    tickets = "select id, at from chat.ticket order by id"
    assert [row["id"] for row in await fetch(database, tickets)] == [1, 3, 5]
    assert await fetch(empty_database, tickets) == await fetch(database, tickets)
    replies = "select reply from flux.action where name = 'draw' order by seq"
    assert await fetch(empty_database, replies) == await fetch(database, replies)
