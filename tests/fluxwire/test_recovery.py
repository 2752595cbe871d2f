"""Archives and baselines: what was acknowledged comes back from them, and nothing half-done is taken for done."""

import asyncio
import itertools
import os
import resource
import shutil
import sys
import uuid
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

import boto3  # type: ignore[import-untyped]
import moto.server
import pytest

from fluxwire.log import archive as archives
from fluxwire.log.archive import archive, archived, exported
from fluxwire.log.baseline import DUMP, MANIFEST, restore, take
from fluxwire.log.logged import BrokenLog, Until
from fluxwire.log.replay import deploy_to, prepare, replay
from fluxwire.log.storage import Storage
from fluxwire.log.target import Target
from fluxwire.log.trim import covered, trim
from fluxwire.stack.database import DRIVER_ERRORS
from fluxwire.stack.errors import StackError
from multiplexer import engine
from multiplexer.engine import DISPATCH
from tests.fluxwire.terminal import fluxwire
from tests.fluxwire.test_replay import LOG, MESSAGES, act, execute, fetch, post, run_again, silent
from tests.services import CHAT, Cluster, fill, small_disk
from tests.sql.database import Sent, Sql

NOW = datetime.now(UTC) + timedelta(days=1)
BUCKET = "logs"


@pytest.fixture
async def sql(database18: str) -> AsyncIterator[Sql]:
    """A chat in which something has happened."""
    async with Sql.connect(database18) as found:
        await act(found)
        yield found


@pytest.fixture(scope="module")
def s3() -> Iterator[str]:
    """A bucket."""
    server = moto.server.ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    host, port = server.get_host_and_port()
    endpoint = f"http://{host}:{port}"
    with pytest.MonkeyPatch.context() as environment:
        for name, value in {
            "AWS_ACCESS_KEY_ID": "key",
            "AWS_SECRET_ACCESS_KEY": "secret",
            "AWS_REGION": "us-east-1",
            "AWS_ENDPOINT_URL": endpoint,
            "AWS_ALLOW_HTTP": "true",
        }.items():
            environment.setenv(name, value)
        boto3.client("s3", endpoint_url=endpoint, region_name="us-east-1").create_bucket(Bucket=BUCKET)
        yield f"s3://{BUCKET}/chat"
    server.stop()


@pytest.fixture
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archives, "MOST", 4)


@pytest.mark.usefixtures("small_pieces")
@pytest.mark.parametrize("where", ["folder", "bucket"])
async def test_archived(
    sql: Sql, empty_database18: str, tmp_path: Path, where: str, request: pytest.FixtureRequest
) -> None:
    """What comes is added to an archive, and the whole leads to the same database again."""
    location = str(tmp_path / "log") if where == "folder" else request.getfixturevalue("s3")
    said: list[str] = []
    await sql.connection.execute("update chat.message set body = 'past' where body = 'one'")
    assert await archive(sql.connection, location, NOW, said.append) == 9
    await sql.dispatch(post(9, "three"), post(10, "four"))
    assert await archive(sql.connection, location, NOW, said.append) == 11
    assert await archive(sql.connection, location, NOW, said.append) == 11
    assert [line.split(":")[0] for line in said] == [
        f"actions-{first:012}-{last:012}.ndjson.zst" for first, last in ((1, 4), (5, 8), (9, 9), (10, 11))
    ]
    await deploy_to(empty_database18, CHAT)
    async with Target.open(empty_database18) as target:
        assert await replay(exported(location), target, Until(seq=6), silent) == 6
        log = exported(location)
        assert await replay(log, target, Until(), silent) == 11
    assert await fetch(empty_database18, LOG) == await fetch(sql.url, LOG)
    (written,) = await log.foreign_writes(0, 11)
    assert (written.seq, written.source, written.rows) == (9, "chat.message", 1)


async def broken(sql: Sql, into: str, location: Path, match: str) -> None:
    await deploy_to(into, CHAT)
    async with Target.open(into) as target:
        with pytest.raises(StackError, match=match):
            await replay(exported(str(location)), target, Until(), silent)
    assert len(await fetch(into, LOG)) < len(await fetch(sql.url, LOG))


@pytest.mark.usefixtures("small_pieces")
async def test_broken_archive(sql: Sql, empty_database18: str, tmp_path: Path) -> None:
    """A file that is cut off, edited or gone ends a replay in front of it."""
    await archive(sql.connection, str(tmp_path / "log"), NOW, lambda _: None)
    first, second, third = sorted((tmp_path / "log").iterdir())
    kept = second.read_bytes()
    second.write_bytes(kept[:-1])
    await broken(sql, empty_database18, tmp_path / "log", "is not whole|cannot be read|no action")
    second.write_bytes(kept[:-30] + b"x" + kept[-29:])
    await broken(sql, empty_database18, tmp_path / "log", "no action|cannot be read|link|whole")
    second.unlink()
    await broken(sql, empty_database18, tmp_path / "log", "after action 4 comes action 9")
    shutil.copy(first, third)
    with pytest.raises(StackError, match="actions-000000000009"):
        await archive(sql.connection, str(tmp_path / "log"), NOW, lambda _: None)
    with pytest.raises(StackError, match="no log at"):
        exported(str(tmp_path / "nowhere"))


async def test_trimmed_when_archived(database18: str, tmp_path: Path) -> None:
    """Months are dropped as far as the archive has them as a whole; numbers and links go on behind them."""
    location, then = str(tmp_path / "log"), datetime(2020, 1, 5, tzinfo=UTC)
    async with Sql.connect(database18) as sql:
        for month in ("2020-01", "2020-02"):
            await sql.connection.execute(
                f"create table flux.action_{month.replace('-', '_')} partition of flux.action"
                f" for values from ('{month}-01+0') to ('{month}-29+0')"
            )
        for number in range(1, 4):
            at = then + (number - 1) * timedelta(days=20)
            sent = created(number, at)
            row = await sql.connection.fetchrow(DISPATCH, sql.term, [sent], None)
            assert row is not None
            assert [outcome["status"] for outcome in row["outcomes"]] == ["ok"]
        assert await archive(sql.connection, location, then + timedelta(days=1), lambda _: None) == 1
        february = ("log", "trim", "--before", "2020-03-01T00:00Z")
        for words in ((), ("--archive", location)):
            said = await fluxwire(sql.url, *february, *words)
            assert f"Actions up to 3 would be dropped, and those from {2 if words else 1} on would be lost" in said.err
        assert len(await fetch(sql.url, LOG)) == 3
        await take(sql.url, tmp_path / "baseline")
        assert await archive(sql.connection, location, NOW, lambda _: None) == 3
        assert await trim(sql.connection, then + timedelta(days=30), await archived(sql.connection, location)) == 1
        said = await fluxwire(sql.url, *february, "--baseline", str(tmp_path / "baseline"))
        assert said.out == "1 month of the action log dropped.\n"
        assert await fetch(sql.url, LOG) == []
        assert await covered(sql.connection, tmp_path / "baseline") == 3
        await sql.dispatch(Sent(4, "join_room", '{"room": "r1"}'))
        assert await archive(sql.connection, location, NOW, lambda _: None) == 4
        await sql.connection.execute("update flux.origin set link = sha256(link)")
        with pytest.raises(StackError, match="of another database: action 3 is not"):
            await covered(sql.connection, tmp_path / "baseline")
        _, second, third = sorted((tmp_path / "log").iterdir())
        second.unlink()
        with pytest.raises(StackError, match=r"a gap: between actions-000000000001-\S+ and actions-000000000004"):
            await archived(sql.connection, location)
        third.unlink()
        with pytest.raises(StackError, match="Actions 2 to 3 are neither"):
            await archive(sql.connection, location, NOW, lambda _: None)


def created(number: int, at: datetime) -> engine.Sent:
    return engine.Sent(
        "ada", "{}", "c1", 0, number, "create_room", f'{{"room": "r{number}"}}', refusal=None, at=at, seed="seed"
    )


async def test_from_a_baseline(sql: Sql, empty_database18: str, tmp_path: Path) -> None:
    """A baseline and what came after it lead to the same database, and to the same links of the log."""
    folder = tmp_path / "baseline"
    assert (await take(sql.url, folder)).seq == 9
    assert sorted(path.name for path in folder.iterdir()) == sorted([DUMP, MANIFEST])
    await sql.dispatch(post(9, "three"), post(10, 5000 * "y"))
    await prepare(empty_database18, folder, CHAT)
    await prepare(empty_database18, folder, CHAT)  # as after a kill
    assert await run_again(sql, empty_database18) == 11
    assert await fetch(empty_database18, MESSAGES) == await fetch(sql.url, MESSAGES)
    assert await fetch(empty_database18, LOG) == (await fetch(sql.url, LOG))[9:]
    with pytest.raises(StackError, match="is there already"):
        await take(sql.url, folder)


async def test_broken_baseline(sql: Sql, empty_database18: str, tmp_path: Path) -> None:
    """A baseline that is not whole is not restored, nor one that does not fit the database or the log."""
    folder = tmp_path / "baseline"
    with pytest.raises(StackError, match="no baseline in"):
        await restore(empty_database18, folder)
    await take(sql.url, folder)
    with pytest.raises(StackError, match="cannot be written"):
        await take(sql.url, folder / MANIFEST / "x")
    await execute(empty_database18, "create table mine (id int)")
    with pytest.raises(StackError, match="not empty"):
        await restore(empty_database18, folder)
    await execute(empty_database18, "drop table mine")
    kept = (folder / DUMP).read_bytes()
    (folder / DUMP).write_bytes(kept[:-100])
    with pytest.raises(StackError, match="checksum"):
        await restore(empty_database18, folder)
    assert await fetch(empty_database18, "select from pg_namespace where nspname = 'flux'") == []
    (folder / DUMP).write_bytes(kept)
    await restore(empty_database18, folder)
    with pytest.raises(StackError, match="up to action 9 already"):
        await run_again(sql, empty_database18, Until(seq=8))
    await sql.connection.execute("update flux.action set link = sha256(link)")
    with pytest.raises(StackError, match="log of its own"):
        await run_again(sql, empty_database18)
    await sql.connection.execute("delete from flux.action where seq = 9")
    with pytest.raises(BrokenLog, match="ends with action 8, and is to be gone on with behind action 9"):
        await run_again(sql, empty_database18)


async def test_drill(postgres18: Cluster, tmp_path: Path) -> None:
    """docs/replay.md, Recover: the database is dropped while actions run, and everything acknowledged is there again.

    A baseline is of before, an archive goes further, and the export that follows the log has the rest.
    """
    export, said = tmp_path / "actions.ndjson", []
    with postgres18.database(deployed=True) as url:
        name = urlsplit(url).path.removeprefix("/")
        environment = {**os.environ, "DATABASE_URL": url}

        async def fluxwire(*words: str) -> None:
            child = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "fluxwire", *words, env=environment, stdout=asyncio.subprocess.PIPE
            )
            out, _ = await child.communicate()
            said.append(out.decode())
            assert child.returncode == 0

        async with Sql.connect(url) as sql:
            await act(sql)
            with export.open("wb") as file:
                follower = await asyncio.create_subprocess_exec(
                    sys.executable, "-m", "fluxwire", "log", "--ndjson", "--follow", "--since", "1h", env=environment,
                    stdout=file, stderr=asyncio.subprocess.DEVNULL,
                )  # fmt: skip
            acknowledged = [row["seq"] for row in await fetch(url, "select seq from flux.action")]

            async def play() -> None:
                for number in itertools.count(9):
                    await sql.dispatch(post(number, f"message {number}"))
                    acknowledged.append(number + 1)

            playing = asyncio.ensure_future(play())
            await fluxwire("baseline", str(tmp_path / "baseline"))
            await fluxwire("log", "archive", "--to", str(tmp_path / "log"))
            while export.read_bytes().count(b"\n") < len(acknowledged):
                await asyncio.wait([playing], timeout=0.01)
            exported_then = list(acknowledged)
            await asyncio.to_thread(postgres18.admin, "dropdb", "--force", name)
            with pytest.raises(DRIVER_ERRORS):
                await playing
            await follower.wait()
        await asyncio.to_thread(postgres18.admin, "createdb", name)
        await fluxwire(
            "replay", "--into", url, "--from", str(tmp_path / "baseline"), "--log", str(tmp_path / "log"),
            "--log", str(export), "--application", str(CHAT),
        )  # fmt: skip
        position = await fetch(url, "select seq from flux.latest()")
        assert position[0]["seq"] >= exported_then[-1] > 9
        rows = await fetch(url, "select body from chat.message where body like 'message %'")
        assert {row["body"] for row in rows} >= {f"message {seq - 1}" for seq in exported_then if seq > 9}
    assert "none of them otherwise" in said[-1]


async def test_full_disk(sql: Sql, tmp_path: Path) -> None:
    """A baseline or an archive for which there is no room says so, and is not there."""
    for words in (("baseline", str(tmp_path / "baseline")), ("log", "archive", "--to", str(tmp_path / "log"))):
        child = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "fluxwire", *words, env={**os.environ, "DATABASE_URL": sql.url},
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (256, 256)),
        )  # fmt: skip
        _, complaint = await child.communicate()
        assert child.returncode == 1, complaint
        assert b"Traceback" not in complaint
        assert whole_files(tmp_path) == []


def test_a_file_whose_writer_fails_is_not_there(tmp_path: Path) -> None:
    """An archive has no half of a file, whatever ended its writing."""
    storage = Storage(str(tmp_path))

    def fail() -> None:
        with storage.write("half") as file:
            file.write(os.urandom(1 << 16))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert storage.names() == []


def whole_files(folder: Path) -> list[Path]:
    """What is there under its own name; a writer that was interrupted may leave a part with a # in it."""
    return [path for path in folder.rglob("*") if path.is_file() and "#" not in path.name]


async def test_full_disk_of_the_database_that_is_built(sql: Sql, postgres18: Cluster) -> None:
    """It says so, has whole batches and nothing else, and goes on once there is room."""
    await sql.dispatch(*(post(9 + number, os.urandom(1900).hex()) for number in range(10)))  # nothing to compress
    with small_disk("4m") as disk, postgres18.database(deployed=True) as into:
        space = f"small_{uuid.uuid4().hex}"
        await execute(into, f"create tablespace {space} location '{disk}'")
        await execute(into, f"alter table chat.message set tablespace {space}")
        words = ("replay", "--into", into, "--application", str(CHAT))
        assert (await fluxwire(sql.url, *words, "--until", "4")).code == 0
        ballast = fill(disk)
        said = await fluxwire(sql.url, *words)
        assert (said.code, said.out) == (1, "")
        assert "No space left on device" in said.err
        assert "Called again, it goes on there" in said.err
        assert len(await fetch(into, LOG)) == 4
        assert len(await fetch(into, MESSAGES)) == 1
        ballast.unlink()
        said = await fluxwire(sql.url, *words)
        assert (said.code, said.err.split()[1:3]) == (0, ["19/19", "actions,"])
        for query in (LOG, MESSAGES):
            assert await fetch(into, query) == await fetch(sql.url, query)
        await execute(into, "drop table chat.message")
        await execute(into, f"drop tablespace {space}")
