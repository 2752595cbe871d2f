"""The action log at the terminal."""

import argparse
import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest

from fluxwire.__main__ import main
from fluxwire.log.command import instant, printable
from fluxwire.log.foreign import Following
from tests.fluxwire.terminal import fluxwire
from tests.sql.database import Sent, Sql

DEADLINE = 30.0


@pytest.fixture
async def sql(database18: str) -> AsyncIterator[Sql]:
    """A database in which ada opened a room, bob failed to write there, and ada wrote."""
    async with Sql.connect(database18) as connected:
        await connected.dispatch(Sent(1, "create_room", '{"room": "den"}'), Sent(2, "join_room", '{"room": "den"}'))
        await connected.dispatch(Sent(1, "post_message", '{"room": "den", "body": "hi"}', actor="bob", client="c2"))
        await connected.dispatch(Sent(3, "post_message", '{"room": "den",\n "body": "a\\u001bb"}'))
        yield connected


async def said(url: str, *words: str) -> tuple[int, list[str]]:
    """Run `fluxwire log` to its end: code and lines."""
    code, out, _ = await fluxwire(url, "log", *words)
    return code, out.splitlines()


async def started(url: str, *words: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "fluxwire", "log", *words),
        env={**os.environ, "DATABASE_URL": url, "TZ": "UTC"},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )


async def exported(url: str, *words: str) -> list[dict[str, Any]]:
    code, lines = await said(url, "--ndjson", *words)
    assert code == 0, lines
    return [json.loads(line) for line in lines]


async def test_table_shows_who_what_when_and_with_what_outcome(sql: Sql) -> None:
    """A line an action, oldest first, below a heading; nothing in it moves the cursor."""
    code, lines = await said(sql.url)
    assert code == 0
    assert lines[0].split() == ["at", "took", "outcome", "actor", "name", "parameters"]
    assert [line.split()[5:7] for line in lines[1:3]] == [["ada", "create_room"], ["ada", "join_room"]]
    today = datetime.now(UTC).strftime("%Y-")
    assert all(line.startswith(today) and " ms  " in line for line in lines[1:])
    assert "not_a_member" in lines[3]
    assert 'Join the room before you write. {"room": "den", "body": "hi"}' in lines[3]
    assert lines[4].endswith('{"room": "den",\\n "body": "a\\u001bb"}')
    assert len(lines) == 5


async def test_export_is_complete(sql: Sql) -> None:
    """NDJSON has every column of every entry, parameters as they came."""
    first, *_, last = await exported(sql.url)
    columns = await sql.connection.fetch(
        "select attname from pg_attribute where attrelid = 'flux.action'::regclass and attnum > 0"
    )
    assert set(first) == {row["attname"] for row in columns}
    assert last["params"] == '{"room": "den",\n "body": "a\\u001bb"}'
    assert first["reply"] == {"room": "den", "created": True}
    assert list(last["stores"].values()) == [2]
    assert first["at"].endswith("+00:00")


@pytest.mark.parametrize(
    ("words", "numbers"),
    [
        (["--actor", "bob"], [3]),
        (["--name", "post_message"], [3, 4]),
        (["--client", "c1"], [1, 2, 4]),
        (["--status", "refused"], [3]),
        (["--status", "ok", "--name", "post_message"], [4]),
        (["--code", "not_a_member"], [3]),
        (["--since", "5m"], [1, 2, 3, 4]),
        (["--until", "5m"], []),
        (["--limit", "2"], [3, 4]),
        (["--limit", "1", "--actor", "ada"], [4]),
        (["--actor", "' or true --"], []),
    ],
)
async def test_filters(sql: Sql, words: list[str], numbers: list[int]) -> None:
    """Each filter leaves what it names, all of them together what all name; a limit keeps the newest."""
    assert [entry["seq"] for entry in await exported(sql.url, *words)] == numbers


async def test_times_are_bounds(sql: Sql) -> None:
    """From a time on, and before a time: the two halves are the whole."""
    at = (await exported(sql.url))[2]["at"]
    assert [entry["seq"] for entry in await exported(sql.url, "--since", at)] == [3, 4]
    assert [entry["seq"] for entry in await exported(sql.url, "--until", at)] == [1, 2]


async def test_follow_goes_on_with_what_comes(sql: Sql) -> None:
    """What was is shown, then what comes, also when no store is touched, and only what is asked for."""
    child = await started(sql.url, "--follow", "--ndjson", "--limit", "1", "--actor", "ada")
    assert child.stdout is not None

    async def next_number() -> int:
        assert child.stdout is not None
        return int(json.loads(await asyncio.wait_for(child.stdout.readline(), DEADLINE))["seq"])

    assert await next_number() == 4
    await sql.dispatch(Sent(2, "post_message", '{"room": "den", "body": "no"}', actor="bob", client="c2"))
    await sql.dispatch(Sent(4, "post_message", '{"room": "den", "body": "yes"}'))
    assert await next_number() == 6
    await sql.dispatch(Sent(5, "no_such_action", "{}"))
    assert await next_number() == 7
    child.send_signal(2)
    assert await asyncio.wait_for(child.wait(), DEADLINE) == 130


async def test_export_has_what_was_written_past_the_actions(sql: Sql) -> None:
    """A line of its own behind the action that it came after, in its time, and none where some actions are chosen."""
    await sql.connection.execute("set application_name to 'night'; update chat.message set body = 'past'")
    await sql.dispatch(Sent(4, "post_message", '{"room": "den", "body": "yes"}'))
    lines = await exported(sql.url)
    assert [entry.get("seq") for entry in lines] == [1, 2, 3, 4, None, 5]
    found = lines[4]["foreign_write"]
    assert (found["seq"], found["source"], found["application"]) == (4, "chat.message", "night")
    assert [entry.get("seq") for entry in await exported(sql.url, "--limit", "2")] == [4, None, 5]
    assert [entry.get("seq") for entry in await exported(sql.url, "--actor", "ada")] == [1, 2, 4, 5]
    assert await exported(sql.url, "--until", found["written_at"]) == lines[:4]


async def test_follow_goes_on_with_what_is_written_past_the_actions(sql: Sql) -> None:
    """Each once, also one that is committed later than one that was begun later."""
    following = Following(sql.connection, 0)
    write = "insert into flux.foreign_write (seq, item, rows, stores) values (4, $1, 1, '{}')"
    other = await asyncpg.connect(sql.url)
    late = other.transaction()
    await late.start()
    await other.execute(write, "late")
    await sql.connection.execute(write, "early")
    assert [found.item for found in await following.news()] == ["early"]
    await late.commit()
    await other.close()
    assert [found.item for found in await following.news()] == ["late"]
    assert await following.news() == []


async def test_a_reader_that_has_seen_enough_is_no_error(sql: Sql) -> None:
    """`fluxwire log | head -0` ends quietly."""
    reading, writing = os.pipe()
    os.close(reading)
    child = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "fluxwire", "log"),
        env={**os.environ, "DATABASE_URL": sql.url},
        stdout=writing,
        stderr=asyncio.subprocess.PIPE,
    )
    os.close(writing)
    _, complaints = await asyncio.wait_for(child.communicate(), DEADLINE)
    assert (child.returncode, complaints) == (0, b"")


async def test_trim_drops_old_months(sql: Sql) -> None:
    """Whole months go, those of now stay; how many is said."""
    await sql.connection.execute(
        "create table flux.action_2020_01 partition of flux.action for values from ('2020-01-01+0') to ('2020-02-01+0')"
    )
    assert await said(sql.url, "trim", "--before", "2020-01-31") == (0, ["0 months of the action log dropped."])
    assert await said(sql.url, "trim", "--before", "2021-01-01") == (0, ["1 month of the action log dropped."])
    assert len(await exported(sql.url)) == 4


def test_times_are_read_as_people_write_them() -> None:
    """Spans ago, dates and times, with a zone or without; all else is refused."""
    assert abs(datetime.now(UTC) - timedelta(hours=2) - instant("2h")) < timedelta(seconds=5)
    assert instant("2026-11-22T10:30:00+02:00") == datetime(2026, 11, 22, 8, 30, tzinfo=UTC)
    assert instant("2026-11-22").tzinfo is not None
    for word in ("yesterday", "", "5", "99999999999999w", "2026-13-01"):
        with pytest.raises(argparse.ArgumentTypeError):
            instant(word)


def test_printable_leaves_text_alone() -> None:
    """Letters of all languages stay; what a terminal obeys does not."""
    assert printable("é שלום 日本") == "é שלום 日本"
    assert printable("\x1b[2J\r\n\u202e") == "\\x1b[2J\\r\\n\\u202e"


@pytest.mark.parametrize("words", [["--limit", "0"], ["--since", "soon"], ["--status", "maybe"], ["trim"]])
def test_senseless_options_are_refused(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """With a sentence, before the database is asked."""
    with pytest.raises(SystemExit) as caught:
        main(["log", *words])
    assert caught.value.code == 2
    assert "usage" in capsys.readouterr().err
