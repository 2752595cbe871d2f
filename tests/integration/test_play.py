"""Traces played on a whole stack, also while its processes are killed: nothing is lost, doubled or out of order."""

import asyncio
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest

from fluxwire import trace
from tests.services import scratch_folder

from .test_run import CHILDREN, LIMIT, Up, fluxwire, said, up

PATIENCE = 100.0


@pytest.fixture(scope="module")
def stack() -> Iterator[Up]:
    with scratch_folder() as folder, up(folder / "data") as running:
        yield running


def make(folder: Path, seed: int, messages: int) -> Path:
    """Write a made-up trace whose rooms no other test has."""
    path = folder / "trace.ndjson"
    events = trace.make(rooms=3, users=12, messages=messages, seed=seed)
    lines = (trace.line(event).replace('"room-', f'"{seed}-room-') for event in events)
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def play(stack: Up, path: Path, *words: str) -> dict[str, str]:
    """Play a trace; the summary."""
    code, out = said("play", str(path), "--data", str(stack.data), *words)
    assert code == 0, out
    return summary(out)


def summary(out: str) -> dict[str, str]:
    return {name.strip(): value for name, value in re.findall(r"^(\S.*?)  +(.*)$", out, re.MULTILINE)}


def check(stack: Up) -> tuple[int, str]:
    return said("check", "--data", str(stack.data))


async def execute(url: str, statement: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


def test_play_and_check(stack: Up, tmp_path: Path) -> None:
    """A trace is played with no refusal, and a check finds all of it."""
    path = make(tmp_path, 1, 100)
    played = play(stack, path)
    assert played["refused"] == "0"
    assert int(played["events"]) == len(list(trace.read(path)))
    code, out = check(stack)
    assert code == 0, out
    assert out.splitlines()[-1] == "0 differences"
    assert int(summary(out)["messages played"]) >= 300


def test_played_twice(stack: Up, tmp_path: Path) -> None:
    """A second play of the same rooms adds to the first, and its limit is remembered."""
    path = make(tmp_path, 2, 20)
    play(stack, path, "--limit", "30")
    play(stack, path, "--rooms-at-once", "1")
    code, out = check(stack)
    assert code == 0, out


def test_differences_are_found(stack: Up, tmp_path: Path) -> None:
    """A message that is lost, altered, doubled or moved is a difference, and the check ends with 1."""
    play(stack, make(tmp_path, 3, 30))
    url = stack.state()["database_url"]
    busiest = "select author from chat.message where room = '3-room-1' group by 1 order by count(*) desc, 1 limit 1"
    of_one = f"room = '3-room-1' and author = ({busiest})"
    for spoil, heal in (
        (f"create table kept as select * from chat.message where {of_one}; delete from chat.message where {of_one}",
         "insert into chat.message select * from kept; drop table kept"),
        (f"update chat.message set body = 'x' || body where {of_one}",
         f"update chat.message set body = substr(body, 2) where {of_one}"),
        (f"insert into chat.message select gen_random_uuid(), room, 'x', body, now() from chat.message where {of_one}",
         "delete from chat.message where author = 'x'"),
        (f"update chat.message set sent_at = timestamptz 'epoch' + (timestamptz 'epoch' - sent_at) where {of_one}",
         f"update chat.message set sent_at = timestamptz 'epoch' + (timestamptz 'epoch' - sent_at) where {of_one}"),
    ):  # fmt: skip
        asyncio.run(execute(url, spoil))
        code, out = check(stack)
        asyncio.run(execute(url, heal))
        assert (code, "3-room-1" in out) == (1, True), out
        assert out.splitlines()[-1] != "0 differences"
    code, out = check(stack)
    assert code == 0, out


@pytest.mark.parametrize("name", CHILDREN)
def test_killed_while_playing(stack: Up, tmp_path: Path, name: str) -> None:
    """Whatever is killed in the middle of a play, no message is lost, doubled or out of order."""
    path = make(tmp_path, 10 + CHILDREN.index(name), 400)
    before = stack.fetch("select count(*) from chat.message")
    player = subprocess.Popen(
        [sys.executable, "-m", "fluxwire", "play", str(path), "--data", str(stack.data)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        asyncio.run(posted(stack.state()["database_url"], before + 200))
        assert player.poll() is None, "the play was over before the kill"
        os.kill(stack.state()["pids"][name], signal.SIGKILL)
        out, _ = player.communicate(timeout=PATIENCE)
    finally:
        player.kill()
        player.wait(LIMIT)
    assert player.returncode == 0, out
    assert summary(out)["refused"] == "0"
    code, out = check(stack)
    assert code == 0, out


async def posted(url: str, count: int) -> None:
    """Return when there are so many messages."""
    connection = await asyncpg.connect(url)
    try:
        async with asyncio.timeout(LIMIT):
            while await connection.fetchval("select count(*) from chat.message") < count:  # noqa: ASYNC110
                await asyncio.sleep(0.02)
    finally:
        await connection.close()


def test_plain_words(tmp_path: Path) -> None:
    """Without a stack, a trace or a readable trace one line says what is wrong."""
    path = make(tmp_path, 1, 5)
    (tmp_path / "bad.ndjson").write_text("nonsense\n")
    for words in (
        ("play", str(path), "--data", str(tmp_path / "none")),
        ("check", "--data", str(tmp_path / "none")),
        ("play", str(tmp_path / "missing.ndjson")),
        ("play", str(tmp_path / "bad.ndjson")),
    ):
        code, out = said(*words)
        assert code == 1
        assert "fluxwire: " in out
        assert "Traceback" not in out


def test_interrupted(stack: Up, tmp_path: Path) -> None:
    """Ctrl-C ends a play at once and without a traceback; it stays on record, so that a check shows what is missing."""
    plays = stack.data / "plays.ndjson"
    before = plays.read_text() if plays.exists() else ""
    path = make(tmp_path, 30, 2000)
    count = stack.fetch("select count(*) from chat.message")
    player = subprocess.Popen(
        [sys.executable, "-m", "fluxwire", "play", str(path), "--data", str(stack.data)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        asyncio.run(posted(stack.state()["database_url"], count + 20))
        player.send_signal(signal.SIGINT)
        out, _ = player.communicate(timeout=LIMIT)
        assert player.returncode == 130
        assert "Traceback" not in out
        code, out = check(stack)
        assert code == 1
        assert "messages were played" in out
    finally:
        player.kill()
        player.wait(LIMIT)
        # The other tests' checks are about their own plays.
        plays.write_text(before)


def test_not_let_in(stack: Up, tmp_path: Path) -> None:
    """A play that no front lets in is told why in a line, and is not on record."""
    key = tmp_path / "key"
    key.write_text("the secret of another cluster, long enough")
    before = sorted(stack.data.glob("plays.ndjson")), stack.fetch("select count(*) from chat.message")
    player = fluxwire(
        "play", str(make(tmp_path, 31, 5)), "--data", str(stack.data), environment={"FLUXWIRE_KEY_FILE": str(key)}
    )
    out, _ = player.communicate(timeout=LIMIT)
    assert player.returncode == 1
    assert "4101" in out
    assert "Traceback" not in out
    assert before == (sorted(stack.data.glob("plays.ndjson")), stack.fetch("select count(*) from chat.message"))
    assert str(tmp_path) not in "".join(path.read_text() for path in before[0])
