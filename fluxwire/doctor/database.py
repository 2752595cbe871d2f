"""Postgres: whether it answers, has the engine of this version, and lets a multiplexer do its work."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import asyncpg  # noqa: TID251 - the command line's own look into the database

from fluxwire.scripts import ENGINE, scripts
from fluxwire.stack.database import DRIVER_ERRORS, Connection
from multiplexer.engine import ENGINE as VERSION

from .findings import Finding, fault, warning
from .machine import free_space

OLDEST = 15
ANSWER = 5.0
"""How long an answer may take, in seconds."""
SKEW = 1.0
"""How far clocks may be apart, in seconds."""
CONNECTIONS = 5
"""Of each multiplexer."""
SILENCE = 5.0
"""After how many seconds without a sign of life nobody leads."""

SERVER = """
select
  current_setting('server_version') as version,
  current_setting('server_version_num')::integer / 10000 as major,
  pg_is_in_recovery() or current_setting('transaction_read_only')::boolean as read_only,
  current_setting('fsync')::boolean and current_setting('full_page_writes')::boolean as durable,
  current_user as role,
  (select rolsuper from pg_roles where rolname = current_user) as superuser,
  least(
    current_setting('max_connections')::integer - current_setting('superuser_reserved_connections')::integer
      - coalesce(current_setting('reserved_connections', true), '0')::integer
      - (select count(*) from pg_stat_activity where backend_type = 'client backend'),
    nullif((select datconnlimit from pg_database where datname = current_database()), -1)
      - (select count(*) from pg_stat_activity where datname = current_database()),
    nullif((select rolconnlimit from pg_roles where rolname = current_user), -1)
      - (select count(*) from pg_stat_activity where usename = current_user)
  ) + (select count(*) from pg_stat_activity where application_name like 'fluxwire %') as free
"""
DEPLOYED = "select to_regprocedure('flux.engine()') is not null"
FILES = "select name, checksum from flux.script where owner = 'flux'"
RIGHTS = """
select 'call flux.' || p.proname as what
from pg_proc p
where p.pronamespace = to_regnamespace('flux')
  and p.proname in ('dispatch', 'take_lead', 'beat', 'leader', 'open', 'render_all', 'patches', 'forget', 'follow')
  and not has_function_privilege(p.oid, 'execute')
union all
select 'change flux.' || c.relname
from pg_class c
where c.relnamespace = to_regnamespace('flux')
  and c.relname in ('term', 'heartbeat', 'client', 'action', 'version', 'change', 'unsettled', 'patch')
  and not (
    has_table_privilege(c.oid, 'select') and has_table_privilege(c.oid, 'insert')
    and has_table_privilege(c.oid, 'update') and has_table_privilege(c.oid, 'delete')
  )
union all
select 'become fluxwire_application'
where not exists (
  select from pg_roles r where r.rolname = 'fluxwire_application' and pg_has_role(r.oid, 'member')
)
order by 1
"""


async def examine(url: str, now: Callable[[], float] = time.time) -> list[Finding]:
    """Look at it as a multiplexer would meet it.

    Args:
        url: The multiplexer's DSN.
        now: This machine's clock, in seconds since 1970.

    """
    try:
        connection = await asyncpg.connect(url, timeout=ANSWER, command_timeout=ANSWER)
    except (*DRIVER_ERRORS, ValueError) as exc:
        return [_unreached(exc)]
    findings: list[Finding] = []
    try:
        findings += await _server(connection)
        findings.append(await _clock(connection, now))
        findings.append(await _doorbell(url, connection))
        findings += await _engine(connection)
        with suppress(asyncpg.InsufficientPrivilegeError):
            findings += free_space(Path(await connection.fetchval("select current_setting('data_directory')")))
    except DRIVER_ERRORS as exc:
        findings.append(fault("postgres", f"Postgres was lost under way: {exc}", "See its log."))
    finally:
        connection.terminate()
    return findings


def _unreached(exc: Exception) -> Finding:
    said = str(exc) or type(exc).__name__
    if isinstance(exc, asyncpg.InvalidAuthorizationSpecificationError):
        return fault(
            "postgres",
            f"Postgres does not let us in: {said}",
            "alter role fluxwire_multiplexer password '…'; or see pg_hba.conf, and the DSN.",
        )
    if isinstance(exc, asyncpg.InvalidCatalogNameError):
        return fault("postgres", f"Postgres has no such database: {said}", "createdb, and then: fluxwire deploy")
    if isinstance(exc, asyncpg.TooManyConnectionsError):
        return fault("connections", f"Postgres is full: {said}", "Raise max_connections, or the limit of the role.")
    return fault("postgres", f"Postgres does not answer: {said}", "Is it up, and is DATABASE_URL its address?")


async def _server(connection: Connection) -> list[Finding]:
    row = await connection.fetchrow(SERVER)
    assert row is not None
    findings = [Finding("postgres", f"Postgres {row['version']} answers, and lets in {row['role']}.")]
    if row["major"] < OLDEST:
        findings.append(fault("postgres_version", f"Postgres {row['version']} is too old.", f"{OLDEST} is the oldest."))
    if row["read_only"]:
        findings.append(
            fault(
                "read_only",
                "Postgres takes no writes: it is a standby, or its default_transaction_read_only is on.",
                "Name all servers in DATABASE_URL, with ?target_session_attrs=read-write",
            )
        )
    if not row["durable"]:
        findings.append(
            fault("durable", "A crash of Postgres loses what it acknowledged.", "Set fsync and full_page_writes to on.")
        )
    if row["superuser"]:
        findings.append(
            warning(
                "role",
                f"{row['role']} is a superuser, and multiplexers need far less.",
                "Let them log in as fluxwire_multiplexer (docs/operations.md, Rights).",
            )
        )
    text = f"{row['free']} connections are free for multiplexers, of which each takes {CONNECTIONS}."
    if row["free"] < 2 * CONNECTIONS:
        hint = "Raise max_connections, or the connection limit of the role or the database: a successor needs its own."
        findings.append(fault("connections", text, hint))
    else:
        findings.append(Finding("connections", text))
    return findings


async def _clock(connection: Connection, now: Callable[[], float]) -> Finding:
    before = now()
    theirs = float(await connection.fetchval("select extract(epoch from clock_timestamp())"))
    took = now() - before
    apart = abs(theirs - before - took / 2)
    text = f"The clocks of Postgres and of this machine are {apart:.1f} s apart."
    if apart > SKEW + took / 2:
        return fault("clock", text, "Tokens and lags are judged by them: let both follow NTP (timedatectl).")
    return Finding("clock", text)


async def _doorbell(url: str, connection: Connection) -> Finding:
    """Ring on one connection, and listen on another, as commits do and multiplexers."""
    heard = asyncio.Event()
    channel = f"doctor_{secrets.token_hex(8)}"
    listening = await asyncpg.connect(url, timeout=ANSWER, command_timeout=ANSWER)
    try:
        await listening.add_listener(channel, lambda *_: heard.set())
        began = time.monotonic()
        await connection.execute("select pg_notify($1, '')", channel)
        try:
            async with asyncio.timeout(ANSWER):
                await heard.wait()
        except TimeoutError:
            return fault(
                "notify",
                f"A NOTIFY was not heard within {ANSWER:.0f} s.",
                "Is there a pooler in between? Multiplexers need sessions of their own: name Postgres itself.",
            )
        return Finding("notify", f"A NOTIFY was heard after {(time.monotonic() - began) * 1000:.0f} ms.")
    finally:
        listening.terminate()


async def _engine(connection: Connection) -> list[Finding]:
    if not await connection.fetchval(DEPLOYED):
        return [fault("engine", "The database has no Fluxwire in it.", "Bring it there: fluxwire deploy")]
    row = await connection.fetchrow("select version, oldest from flux.engine()")
    assert row is not None
    if not row["oldest"] <= VERSION <= row["version"]:
        text = f"The engine in the database is of version {row['version']}, and this Fluxwire of {VERSION}."
        return [fault("engine", text, "docs/operations.md, Upgrades: deploy first, then multiplexers, then fronts.")]
    findings = [await _files(connection, row["version"]), await _rights(connection)]
    with suppress(asyncpg.InsufficientPrivilegeError):  # that was said
        findings.append(await _leader(connection))
    return findings


async def _files(connection: Connection, version: int) -> Finding:
    ours = {script.name: script.checksum for script in scripts(ENGINE) if not script.once}
    try:
        theirs = {row["name"]: row["checksum"] for row in await connection.fetch(FILES)}
    except asyncpg.InsufficientPrivilegeError:
        theirs = ours
    changed = sorted(name for name, checksum in ours.items() if theirs.get(name) != checksum)
    if changed:
        return fault(
            "engine",
            f"The engine in the database is not this one: {', '.join(changed[:3])}{' …' if len(changed) > 3 else ''}.",  # noqa: PLR2004
            "Bring it there: fluxwire deploy",
        )
    return Finding("engine", f"The engine of this Fluxwire is in the database (version {version}).")


async def _rights(connection: Connection) -> Finding:
    missing = [row["what"] for row in await connection.fetch(RIGHTS)]
    if missing:
        return fault(
            "rights",
            f"The multiplexer's role may not {', nor '.join(missing)}.",
            f"Log in as fluxwire_multiplexer, or let the database's owner apply {ENGINE / 'grants.sql'} again.",
        )
    return Finding("rights", "The multiplexer's role may do what it has to.")


async def _leader(connection: Connection) -> Finding:
    row = await connection.fetchrow("select l.term, l.silence, t.leader from flux.leader() l, flux.term t")
    assert row is not None
    if row["silence"] > SILENCE:
        return warning("leader", "No multiplexer leads just now.", "Start one: python -m multiplexer")
    return Finding("leader", f"{row['leader']} leads term {row['term']}.")
