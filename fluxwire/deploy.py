"""Bring a database to this checkout's SQL: the engine's, then an application's.

Migrations run once each, in the order of their names, and are known by checksum ever after; everything else is
``create or replace``, so that a function's text stands in one place only, and is applied again whenever anything
has changed. All of it is one transaction: a deploy that fails has not happened, and one without a change does nothing.
A deploy that changed more than actions touches all stores: what is held is rendered again, and its holders get the
difference.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import asyncpg  # noqa: TID251 -- a deploy is the command line's own business with the database

from fluxwire import faults
from fluxwire.determinism import unreplayable
from fluxwire.scripts import ENGINE, Script, scripts, sql_folder
from fluxwire.statements import statements
from multiplexer.engine import ENGINE as VERSION

ATTEMPTS = 3
"""How often a deploy is tried that gets into the way of running actions."""
LOCK_TIMEOUT = "5s"
"""Whoever writes to a table waits behind a deploy that waits for it: a transaction left open must not stop them all."""
IN_THE_WAY = (asyncpg.DeadlockDetectedError, asyncpg.LockNotAvailableError, asyncpg.SerializationError)

# What a script sets, as dumps do, is for itself alone. Functions may name each other in any order.
SETTINGS = """
reset session authorization;
reset all;
set local lock_timeout to '{lock_timeout}';
set local check_function_bodies to off;
set local client_min_messages to warning;
"""
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
create table if not exists flux.script (
  owner text not null,
  name text not null,
  checksum text not null,
  applied_at timestamptz not null default now(),
  primary key (owner, name)
);
comment on table flux.script is 'which other files of the engine and of the application were deployed last';
"""

KNOWN = """
select true as once, name, checksum from flux.migration where owner = $1
union all
select false, name, checksum from flux.script where owner = $1
"""
RAN = "insert into flux.migration (owner, name, checksum) values ($1, $2, $3)"
DEPLOYED = """
insert into flux.script as s (owner, name, checksum) values ($1, $2, $3)
on conflict (owner, name) do update set checksum = excluded.checksum, applied_at = excluded.applied_at
where s.checksum <> excluded.checksum
"""
DEPLOYMENT = "insert into flux.deployment (changed, environment) values ($1, flux.environment())"
FORGOTTEN = "delete from flux.script where owner = $1 and name = $2"

# What this transaction made: functions whose bodies the server can look at.
MADE = """
select p.oid::regprocedure::text as name, p.proname, p.prosrc, pg_catalog.pg_get_functiondef(p.oid) as definition
from pg_catalog.pg_proc p
join pg_catalog.pg_language l on l.oid = p.prolang
where p.xmin = pg_current_xact_id()::xid and p.prokind in ('f', 'p') and l.lanname in ('sql', 'plpgsql')
  and p.prosqlbody is null
order by p.oid
"""
CHECKER = """
select n.nspname from pg_catalog.pg_extension e join pg_catalog.pg_namespace n on n.oid = e.extnamespace
where e.extname = 'plpgsql_check'
"""
# Triggers' functions cannot be looked at without their tables.
CHECK = """
select p.oid::regprocedure::text as name, p.proname, p.prosrc, c.lineno, c.level, c.message, c.hint
from pg_catalog.pg_proc p
join pg_catalog.pg_language l on l.oid = p.prolang
cross join lateral {schema}.plpgsql_check_function_tb(p.oid::regprocedure, fatal_errors => false) as c
where p.xmin = pg_current_xact_id()::xid and l.lanname = 'plpgsql' and p.pronamespace <> 'flux'::regnamespace
  and p.prorettype not in ('trigger'::regtype, 'event_trigger'::regtype)
order by p.oid, c.lineno
"""
# Before the commit, so that what goes wrong with it is said like everything else.
SETTLE = "set constraints all immediate"


class DeployError(Exception):
    """A deploy that cannot be; the database is as it was."""


@dataclass(slots=True)
class Deployed:
    """What a deploy did.

    Args:
        changed: The files that are new or not what they were, by name.
        warnings: What the person who deploys should know, one sentence each.

    """

    changed: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


async def deploy(database_url: str, application: Path | None = None) -> Deployed:
    """Apply the engine's SQL and an application's, in one transaction, unless all of it is there.

    Args:
        database_url: DSN of the database, as a role that may create schemas.
        application: Folder with ``migrations/``, ``actions/``, ``stores/`` and ``declarations.sql``, or one that
            has these in a folder ``sql``.

    Raises:
        DeployError: A script fails, or a migration that has run was changed since.
        OSError: The database cannot be reached.

    """
    sources = {"flux": _read(ENGINE)}
    if application is not None:
        sources["application"] = _read(sql_folder(application))
    connection = await asyncpg.connect(database_url)
    try:
        for attempt in range(ATTEMPTS):
            try:
                async with connection.transaction():
                    return await _deploy(connection, sources)
            except DeployError as error:
                if not isinstance(error.__cause__, IN_THE_WAY) or attempt == ATTEMPTS - 1:
                    raise
        raise AssertionError("the last attempt returns or raises")
    finally:
        await connection.close()


async def _deploy(connection: asyncpg.Connection[asyncpg.Record], sources: dict[str, list[Script]]) -> Deployed:
    await connection.execute("select pg_advisory_xact_lock(hashtext('flux.deploy'))")  # one deploy at a time
    await connection.execute(SETTINGS.format(lock_timeout=LOCK_TIMEOUT) + LEDGER)
    await _refuse_older(connection)
    done = Deployed()
    pending = {owner: await _pending(connection, owner, found, done) for owner, found in sources.items()}
    if not done.changed:
        await _run(connection, "select flux.partition_log()")
        return done
    for owner, found in pending.items():
        for script in found:
            await _apply(connection, owner, script)
    everything = [script for found in sources.values() for script in found]
    await _check_bodies(connection, everything)
    await connection.execute(DEPLOYMENT, done.changed)
    await _run(connection, "select flux.refresh(), flux.partition_log()")
    done.warnings += await _findings(connection, everything) + await unreplayable(connection, everything)
    # No store renders otherwise for an action.
    if not all(name.startswith("actions/") for name in done.changed):
        await _run(connection, "select flux.touch_all()")
    await _run(connection, SETTLE)
    return done


async def _refuse_older(connection: asyncpg.Connection[asyncpg.Record]) -> None:
    """An engine is never replaced by an older one: multiplexers may rely on it."""
    if await connection.fetchval("select to_regprocedure('flux.engine()') is not null"):
        there = await connection.fetchval("select version from flux.engine()")
        if there > VERSION:
            raise DeployError(
                f"The database has version {there} of the engine, and this Fluxwire is of version {VERSION}."
                " Deploy with the newer one."
            )


def _read(folder: Path) -> list[Script]:
    try:
        found = scripts(folder)
    except UnicodeDecodeError as error:
        raise DeployError(f"A file in {folder} is not UTF-8: {error}") from error
    except OSError as error:
        raise DeployError(str(error)) from error
    if not found:
        raise DeployError(f"There is no SQL in {folder}.")
    return found


async def _pending(
    connection: asyncpg.Connection[asyncpg.Record], owner: str, found: list[Script], done: Deployed
) -> list[Script]:
    """Tell which files to apply if any is to be; note in ``done`` which are new, changed or gone."""
    known = {(row["once"], row["name"]): row["checksum"] for row in await connection.fetch(KNOWN, owner)}
    pending = []
    for script in found:
        before = known.pop((script.once, script.name), None)
        if script.once and before not in (None, script.checksum):
            raise DeployError(
                f"The migration {script.path} was changed after it ran here. Put it back, and write a new one."
            )
        if before != script.checksum:
            done.changed.append(script.name)
        if before is None or not script.once:
            pending.append(script)
    for once, name in known:
        if once:
            done.warnings.append(f"The migration {name} ran here, and is not in the folder.")
        else:
            await connection.execute(FORGOTTEN, owner, name)
            done.warnings.append(f"{name} is gone; what it made stays until a migration drops it.")
    return pending


async def _apply(connection: asyncpg.Connection[asyncpg.Record], owner: str, script: Script) -> None:
    for statement in statements(script.text):
        if statement.ends_transaction:
            raise DeployError(
                f"{script.path}:{statement.line}: a deploy is one transaction, which no script begins or ends."
            )
        try:
            await connection.execute(statement.text)
        except asyncpg.PostgresError as error:
            raise DeployError(faults.explain(faults.place(script, statement, error), error)) from error
    await connection.execute(SETTINGS.format(lock_timeout=LOCK_TIMEOUT))
    await connection.execute(RAN if script.once else DEPLOYED, owner, script.name, script.checksum)


async def _run(connection: asyncpg.Connection[asyncpg.Record], query: str) -> None:
    try:
        await connection.execute(query)
    except asyncpg.PostgresError as error:
        raise DeployError(faults.explain("", error)) from error


async def _check_bodies(connection: asyncpg.Connection[asyncpg.Record], found: Sequence[Script]) -> None:
    """Let the server read the bodies of what was made, now that all there is to name is there."""
    made = await connection.fetch(MADE)
    await connection.execute("set local check_function_bodies to on")
    for function in made:
        try:
            await connection.execute(function["definition"])
        except asyncpg.PostgresError as error:
            index = faults.position(error) - function["definition"].index(function["prosrc"])
            place = faults.place_in_body(found, function["proname"], function["prosrc"], index)
            raise DeployError(faults.explain(place or function["name"], error)) from error


async def _findings(connection: asyncpg.Connection[asyncpg.Record], found: Sequence[Script]) -> list[str]:
    """Ask plpgsql_check about what was made, where it is installed."""
    schema = await connection.fetchval(CHECKER)
    if schema is None:
        return []
    quoted = await connection.fetchval("select quote_ident($1)", schema)
    # It has queries planned, and planning asks flux.actor() for an estimate.
    await connection.execute("set local flux.actor to 'plpgsql_check'")
    found_out = await connection.fetch(CHECK.format(schema=quoted))
    await connection.execute("set local flux.actor to ''")
    warnings = []
    for row in found_out:
        body = row["prosrc"]
        # Line 1 is the one on which the body opens.
        index = sum(len(line) for line in body.splitlines(keepends=True)[: (row["lineno"] or 1) - 1])
        place = faults.place_in_body(found, row["proname"], body, index) or row["name"]
        hint = f" ({row['hint']})" if row["hint"] else ""
        warnings.append(f"{place}: {row['level']}: {row['message']}{hint}")
    return warnings
