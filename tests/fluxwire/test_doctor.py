"""The doctor finds what is planted, and nothing else."""

import asyncio
import os
import resource
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import quote

import asyncpg
import pytest

from broker.redis_connection import Connection
from fluxwire.doctor import database, machine, settings
from fluxwire.doctor.command import ROLES, examine
from fluxwire.doctor.findings import Finding, Verdict, fault, report, warning
from fluxwire.scripts import ENGINE
from fluxwire.stack.ports import free_port
from tests.deployment import HOST
from tests.services import Cluster
from tests.test_documented import settings_table

Told = dict[str, str]
USUAL = {"durable", "memory", "leader", "queue"}
"""What test servers are like: without fsync, without a bound to Valkey, and nobody leads."""


@pytest.fixture(autouse=True)
def many_files(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """As service managers set it, as far as this machine lets us."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    monkeypatch.setattr(machine, "MANY_FILES", machine.FEW_FILES)
    resource.setrlimit(resource.RLIMIT_NOFILE, (machine.FEW_FILES, hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.fixture
def told(tmp_path: Path, database18: str, valkey: str, namespace: str) -> Told:
    """An environment in which nothing is wrong."""
    (tmp_path / "key").write_text(32 * "k")
    (tmp_path / "key").chmod(0o600)
    return {
        "DATABASE_URL": database18.replace("//fluxwire@", "//fluxwire_multiplexer@"),
        "REDIS_URL": valkey,
        "FLUXWIRE_NAMESPACE": namespace,
        "FLUXWIRE_KEY_FILE": str(tmp_path / "key"),
        "FLUXWIRE_PORT": str(free_port()),
    }


async def found(told: Told) -> dict[str, Finding]:
    """What is not as it should be, beside what is usual here."""
    bad = [finding for finding in await examine(told) if finding.verdict is not Verdict.FINE]
    assert all(finding.hint for finding in bad)
    return {finding.what: finding for finding in bad if finding.what not in USUAL}


async def execute(url: str, *queries: str) -> None:
    """Run queries as the database's owner."""
    connection = await asyncpg.connect(url.replace("//fluxwire_multiplexer@", "//fluxwire@"))
    for query in queries:
        await connection.execute(query)
    await connection.close()


async def test_nothing_is_wrong(told: Told) -> None:
    """Every subject is looked at, and found to be fine."""
    fine = {finding.what for finding in await examine(told) if finding.verdict is Verdict.FINE}
    assert fine - USUAL == {
        *("settings", "postgres", "connections", "clock", "notify", "engine", "rights"),
        *("redis", "redis_rights", "files", "port", "disk"),
    }
    assert await found(told) == {}


async def test_one_role_alone(told: Told) -> None:
    """A host of fronts knows no database, one of multiplexers no key."""
    without_database = {name: value for name, value in told.items() if name != "DATABASE_URL"}
    looked_at = {finding.what: finding for finding in await examine(without_database, ["front"])}
    assert {"port", "files", "redis"} <= set(looked_at)
    assert "postgres" not in looked_at
    without_key = {name: value for name, value in told.items() if name != "FLUXWIRE_KEY_FILE"}
    also = {finding.what: finding for finding in await examine(without_key, ["multiplexer"])}
    assert {"postgres", "redis"} <= set(also)
    assert "port" not in also
    assert looked_at["settings"].verdict is also["settings"].verdict is Verdict.FINE


def other(told: Told, **changed: str) -> Told:
    return {**told, **changed}


async def in_settings(told: Told, tmp_path: Path) -> tuple[Told, str, str]:
    (tmp_path / "short").write_text("too short")
    (tmp_path / "short").chmod(0o600)
    return other(told, FLUXWIRE_KEY_FILE=str(tmp_path / "short")), "settings", "a key needs 32"


async def in_spelling(told: Told, _: Path) -> tuple[Told, str, str]:
    return other(told, FLUXWIRE_TRUSTED_PROXY=HOST), "misspelt", "Is FLUXWIRE_TRUSTED_PROXIES meant?"


async def in_the_key(told: Told, tmp_path: Path) -> tuple[Told, str, str]:
    (tmp_path / "key").chmod(0o644)
    return told, "key", "may read"


async def in_the_address(told: Told, tmp_path: Path) -> tuple[Told, str, str]:
    url = told["DATABASE_URL"].partition("host=")[0] + f"host={quote(str(tmp_path), safe='/')}"
    return other(told, DATABASE_URL=url), "postgres", "does not answer"


async def in_the_name(told: Told, _: Path) -> tuple[Told, str, str]:
    return other(told, DATABASE_URL=told["DATABASE_URL"].replace("@/t", "@/no")), "postgres", "no such database"


async def in_the_role(told: Told, _: Path) -> tuple[Told, str, str]:
    url = told["DATABASE_URL"].replace("fluxwire_multiplexer", "nobody")
    return other(told, DATABASE_URL=url), "postgres", "does not let us in"


async def in_the_engine(told: Told, _: Path) -> tuple[Told, str, str]:
    await execute(told["DATABASE_URL"], "update flux.script set checksum = '' where name like '%dispatch.sql'")
    return told, "engine", "functions/dispatch.sql"


async def in_the_deploy(told: Told, _: Path) -> tuple[Told, str, str]:
    await execute(told["DATABASE_URL"], "drop schema flux cascade")
    return told, "engine", "fluxwire deploy"


async def in_the_rights(told: Told, _: Path) -> tuple[Told, str, str]:
    await execute(told["DATABASE_URL"], "revoke delete on flux.patch from fluxwire_multiplexer")
    return told, "rights", "change flux.patch"


async def in_the_writes(told: Told, _: Path) -> tuple[Told, str, str]:
    name = told["DATABASE_URL"].partition("@/")[2].partition("?")[0]
    await execute(told["DATABASE_URL"], f"alter database {name} set default_transaction_read_only to on")
    return told, "read_only", "target_session_attrs"


async def in_the_connections(told: Told, _: Path) -> tuple[Told, str, str]:
    name = told["DATABASE_URL"].partition("@/")[2].partition("?")[0]
    await execute(told["DATABASE_URL"], f"alter database {name} connection limit 7")
    return told, "connections", "Raise max_connections"


async def in_the_superuser(told: Told, _: Path) -> tuple[Told, str, str]:
    return (
        other(told, DATABASE_URL=told["DATABASE_URL"].replace("fluxwire_multiplexer", "fluxwire")),
        "role",
        "superuser",
    )


async def in_the_redis(told: Told, _: Path) -> tuple[Told, str, str]:
    return other(told, REDIS_URL=f"redis://{HOST}:{free_port()}"), "redis", "does not answer"


async def in_the_password(told: Told, _: Path) -> tuple[Told, str, str]:
    return other(told, REDIS_URL=told["REDIS_URL"].replace("unix://", "unix://ada:wrong@")), "redis", "let us in"


PLANTED: tuple[Callable[[Told, Path], Awaitable[tuple[Told, str, str]]], ...] = (
    in_settings,
    in_spelling,
    in_the_key,
    in_the_address,
    in_the_name,
    in_the_role,
    in_the_engine,
    in_the_deploy,
    in_the_rights,
    in_the_writes,
    in_the_connections,
    in_the_superuser,
    in_the_redis,
    in_the_password,
)


@pytest.mark.parametrize("plant", PLANTED, ids=lambda plant: plant.__name__)
async def test_planted(
    plant: Callable[[Told, Path], Awaitable[tuple[Told, str, str]]], told: Told, tmp_path: Path
) -> None:
    """It is found, by its name, and nothing else is."""
    planted, what, words = await plant(told, tmp_path)
    findings = await found(planted)
    assert set(findings) == {what}
    assert words in f"{findings[what].text} {findings[what].hint}"


@pytest.mark.parametrize(
    ("commands", "what", "words"),
    [
        ([("CONFIG SET", "maxmemory-policy", "allkeys-lru")], "eviction", "noeviction"),
        ([("CONFIG SET", "maxmemory", "1")], "redis_rights", "Redis is full"),
        ([("ACL SETUSER", "eve", "on", ">secret", "~*", "+@all", "-rename")], "redis_rights", "RENAME"),
    ],
    ids=["evicts", "full", "forbids"],
)
async def test_planted_in_redis(told: Told, commands: list[tuple[str, ...]], what: str, words: str) -> None:
    """A server that throws away, one that is full, and an account that may not do everything."""
    usual = Connection(told["REDIS_URL"])
    try:
        for command in commands:
            await usual.run(*command)
        if "eve" in commands[0]:
            told = other(told, REDIS_URL=told["REDIS_URL"].replace("unix://", "unix://eve:secret@"))
        findings = await found(told)
        assert set(findings) == {what}
        assert words in f"{findings[what].text} {findings[what].hint}"
    finally:
        for command in (("CONFIG SET", "maxmemory", "0"), ("CONFIG SET", "maxmemory-policy", "noeviction")):
            await usual.run(*command)
        await usual.run("ACL DELUSER", "eve")
        assert await usual.run("KEYS", f"{told['FLUXWIRE_NAMESPACE']}:*") == []
        await usual.close()


async def test_the_documented_account_will_do(told: Told) -> None:
    """What docs/operations.md gives an account of Redis is enough."""
    page = (ENGINE.parent / "docs/operations.md").read_text(encoding="utf-8")
    (line,) = (line for line in page.splitlines() if line.startswith("An account needs `"))
    rules = line.split("`")[1].replace("~fluxwire:", f"~{told['FLUXWIRE_NAMESPACE']}:").split()
    usual = Connection(told["REDIS_URL"])
    try:
        await usual.run("ACL SETUSER", "bus", "reset", "on", ">secret", *rules)
        assert await found(other(told, REDIS_URL=told["REDIS_URL"].replace("unix://", "unix://bus:secret@"))) == {}
    finally:
        await usual.run("ACL DELUSER", "bus")
        await usual.close()


async def test_planted_in_the_clock(told: Told) -> None:
    """A machine whose clock is slow."""
    findings = await database.examine(told["DATABASE_URL"], now=lambda: time.time() - 3.0)
    (clock,) = (finding for finding in findings if finding.what == "clock")
    assert (clock.verdict, "3.0 s apart" in clock.text) == (Verdict.FAULT, True)


async def test_planted_in_the_files(told: Told) -> None:
    """A shell as it comes."""
    resource.setrlimit(resource.RLIMIT_NOFILE, (1024, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
    assert set(await found(told)) == {"files"}


async def test_planted_on_the_disk(told: Told, monkeypatch: pytest.MonkeyPatch) -> None:
    """No room."""
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=machine.LEAST_DISK - 1))
    assert set(await found(told)) == {"disk"}


async def test_planted_at_the_port(told: Told) -> None:
    """Somebody else listens there."""
    with socket.create_server((HOST, int(told["FLUXWIRE_PORT"]))) as stranger:
        # It takes the connection, and says nothing: the system does that by itself.
        assert stranger.getsockname()[1] == int(told["FLUXWIRE_PORT"])
        assert set(await found(told)) == {"port"}


@contextmanager
def sockets(folder: Path) -> Iterator[Path]:
    folder.mkdir()
    yield folder / ".s.PGSQL.5432"


@asynccontextmanager
async def pooler(target: Path, address: Path) -> AsyncIterator[None]:
    """Stands before Postgres and keeps what it says unasked (NotificationResponse) to itself, as poolers do."""

    async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        theirs, to_them = await asyncio.open_unix_connection(target)

        async def there() -> None:
            while data := await reader.read(65536):
                to_them.write(data)

        async def back() -> None:
            while head := await theirs.read(5):
                head += await theirs.readexactly(5 - len(head))
                body = await theirs.readexactly(int.from_bytes(head[1:], "big") - 4)
                if head[:1] != b"A":
                    writer.write(head + body)

        try:
            await asyncio.wait(
                [asyncio.create_task(there()), asyncio.create_task(back())], return_when=asyncio.FIRST_COMPLETED
            )
        finally:
            to_them.close()
            writer.close()

    async with await asyncio.start_unix_server(carry, address):
        yield


async def test_planted_between(
    told: Told, postgres18: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A pooler that swallows notifications: LISTEN is answered, and nothing is ever heard."""
    monkeypatch.setattr(database, "ANSWER", 1.0)
    with sockets(tmp_path / "p") as address:
        async with pooler(postgres18.server.sockets / ".s.PGSQL.5432", address):
            url = told["DATABASE_URL"].partition("host=")[0] + f"host={quote(str(address.parent), safe='/')}"
            findings = await found(other(told, DATABASE_URL=url))
    assert set(findings) == {"notify"}
    assert "pooler" in findings["notify"].hint


def test_how_it_is_said() -> None:
    """A line each, hints below, and the verdict at the end."""
    said = report([Finding("a", "It is."), fault("b", "It is not.", "Do it.\nAnd that."), warning("c", "Well.", "Hm.")])
    assert said == (
        "ok       It is.\nFAULT    It is not.\n         Do it.\n         And that.\nwarning  Well.\n         Hm.\n\n"
        "1 fault, 1 warning."
    )
    assert report([Finding("a", "It is.")]).endswith("\nNothing is wrong.")
    assert os.linesep in said


def test_every_setting_is_known() -> None:
    """No setting that there is counts as misspelt."""
    told = dict.fromkeys(settings_table(), "")
    assert [finding.text for finding in settings.examine(told, ROLES) if finding.what == "misspelt"] == []
