"""Bring a database to this checkout's SQL: the engine's, then an application's.

Migrations run once each, in the order of their names, and are known by checksum ever after; everything else is
``create or replace`` and is applied on every deploy, so that a function's text stands in one place only.
All of it is one transaction: a deploy that fails has not happened.
"""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import asyncpg  # noqa: TID251 -- a deploy is the command line's own business with the database

ENGINE = next(
    folder
    for folder in (Path(__file__).parent / "sql", Path(__file__).parent.parent / "sql")
    if (folder / "migrations").is_dir()
)

# Applied in this order after the migrations; a missing one is skipped.
REPEATABLE = ("roles.sql", "functions", "triggers.sql", "grants.sql", "actions", "stores", "declarations.sql")

LEDGER = """
create schema if not exists flux;
create table if not exists flux.migration (
  owner text not null,
  name text not null,
  checksum text not null,
  applied_at timestamptz not null default now(),
  primary key (owner, name)
);
comment on table flux.migration is 'which migrations of the engine and of the application have run';
"""


class DeployError(Exception):
    """A deploy that cannot be; the database is as it was."""


@dataclass(frozen=True, slots=True)
class Script:
    """One SQL file; ``once`` is its name in the ledger if it is a migration, and empty otherwise."""

    path: Path
    text: str
    once: str = ""

    @property
    def checksum(self) -> str:
        """The SHA-256 of its text, in hex."""
        return hashlib.sha256(self.text.encode()).hexdigest()


def scripts(folder: Path) -> list[Script]:
    """List the SQL files of a folder in the order in which they are applied."""
    found = [
        Script(path, path.read_text(encoding="utf-8"), once=path.stem)
        for path in sorted((folder / "migrations").glob("*.sql"))
    ]
    for name in REPEATABLE:
        place = folder / name
        paths = [place] if place.is_file() else sorted(place.glob("*.sql"))
        found += [Script(path, path.read_text(encoding="utf-8")) for path in paths]
    return found


async def deploy(database_url: str, application: Path | None = None) -> None:
    """Apply the engine's SQL and an application's, in one transaction.

    Args:
        database_url: DSN of the database, as a role that may create schemas.
        application: Folder with ``migrations/``, ``actions/``, ``stores/`` and ``declarations.sql``, or one that
            has these in a folder ``sql``.

    Raises:
        DeployError: A script fails, or a migration that has run was changed since.
        OSError: The database cannot be reached.

    """
    connection = await asyncpg.connect(database_url)
    try:
        async with connection.transaction():
            # One deploy at a time, and functions may name each other in any order.
            await connection.execute("select pg_advisory_xact_lock(hashtext('flux.deploy'))")
            await connection.execute("set local check_function_bodies to off; set local client_min_messages to warning")
            await connection.execute(LEDGER)
            await _apply(connection, "flux", ENGINE)
            if application is not None:
                nested = application / "sql"
                await _apply(connection, "application", nested if nested.is_dir() else application)
            try:
                await connection.execute("select flux.refresh(), flux.partition_log()")
            except asyncpg.PostgresError as error:
                raise DeployError(str(error)) from error
    finally:
        await connection.close()


async def _apply(connection: "asyncpg.Connection[asyncpg.Record]", owner: str, folder: Path) -> None:
    found = scripts(folder)
    if not found:
        raise DeployError(f"There is no SQL in {folder}.")
    done = {
        row["name"]: row["checksum"]
        for row in await connection.fetch("select name, checksum from flux.migration where owner = $1", owner)
    }
    for script in found:
        if script.once in done:
            if done[script.once] != script.checksum:
                raise DeployError(
                    f"The migration {script.path} was changed after it ran here. Put it back, and write a new one."
                )
            continue
        try:
            await connection.execute(script.text)
        except asyncpg.PostgresError as error:
            raise DeployError(_explain(script, error)) from error
        if script.once:
            await connection.execute(
                "insert into flux.migration (owner, name, checksum) values ($1, $2, $3)",
                owner,
                script.once,
                script.checksum,
            )


def _explain(script: Script, error: asyncpg.PostgresError) -> str:
    place = str(script.path)
    if position := getattr(error, "position", None):
        place += f":{script.text.count(chr(10), 0, int(position) - 1) + 1}"
    hint = f" ({error.hint})" if getattr(error, "hint", None) else ""
    return f"{place}: {error.message if hasattr(error, 'message') else error}{hint}"
