"""Archives and baselines: what was acknowledged comes back from them, and nothing half-done is taken for done."""

import shutil
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import asyncpg
import boto3  # type: ignore[import-untyped]
import moto.server
import pytest

from fluxwire import archive as archives
from fluxwire.archive import archive, exported, foreign_in, trim
from fluxwire.baseline import DUMP, MANIFEST, restore, take
from fluxwire.logged import Until
from fluxwire.replay import deploy_to, prepare, replay
from fluxwire.stack.errors import StackError
from fluxwire.target import Target
from multiplexer import database
from multiplexer.database import DISPATCH
from tests.fluxwire.test_replay import LOG, MESSAGES, act, fetch, post, run_again, silent
from tests.services import CHAT
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
        assert await replay(exported(location), target, Until(), silent) == 11
    assert await fetch(empty_database18, LOG) == await fetch(sql.url, LOG)
    (written,) = foreign_in(location, 0, 11)
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
            assert [row["status"] for row in await sql.connection.fetch(DISPATCH, sql.term, [sent])] == ["ok"]
        assert await trim(sql.connection, NOW, 0) == 0
        assert await archive(sql.connection, location, then + timedelta(days=1), lambda _: None) == 1
        assert await trim(sql.connection, NOW, 1) == 0
        assert await archive(sql.connection, location, NOW, lambda _: None) == 3
        assert await trim(sql.connection, then + timedelta(days=30), 3) == 1
        assert await trim(sql.connection, NOW, 3) >= 1
        assert await fetch(sql.url, LOG) == []
        await sql.dispatch(Sent(4, "join_room", '{"room": "r1"}'))
        assert await archive(sql.connection, location, NOW, lambda _: None) == 4
        for piece in sorted((tmp_path / "log").iterdir())[1:]:
            piece.unlink()
        with pytest.raises(StackError, match="Actions 2 to 3 are neither"):
            await archive(sql.connection, location, NOW, lambda _: None)


def created(number: int, at: datetime) -> database.Sent:
    return database.Sent(
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
    await sql.connection.execute("update flux.action set link = sha256(link)")
    with pytest.raises(StackError, match="log of its own"):
        await run_again(sql, empty_database18)


async def execute(url: str, statement: str) -> None:
    connection = await asyncpg.connect(url)
    await connection.execute(statement)
    await connection.close()
