"""A scratch database beside the real one, into which its log is replayed: for `verify`, `rehearse` and `at`."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

import asyncpg  # noqa: TID251 - the command line's own look into both databases

from fluxwire.log.logged import DatabaseLog, Until
from fluxwire.log.replay import Look, meter, prepare, replay
from fluxwire.log.target import Divergence, Target, stop
from fluxwire.stack.database import Connection, connect
from fluxwire.stack.errors import StackError
from multiplexer.engine import SESSION

LAST = "select seq from flux.latest()"
# The columns of ICU and of the builtin collations are not the same in all versions.
ALIKE = """
select format(
  'create database %I template template0 encoding %L locale_provider %s lc_collate %L lc_ctype %L %s',
  $1::text, pg_encoding_to_char(d.encoding),
  case d.datlocprovider when 'i' then 'icu' when 'b' then 'builtin' else 'libc' end, d.datcollate, d.datctype,
  case d.datlocprovider
    when 'i' then format('icu_locale %L', coalesce(to_jsonb(d) ->> 'datlocale', to_jsonb(d) ->> 'daticulocale'))
    when 'b' then format('builtin_locale %L', to_jsonb(d) ->> 'datlocale')
  end
)
from pg_database d where d.datname = current_database()
"""


class Both(NamedTuple):
    """The real database, in a transaction that sees what the log led to, and the one that it was replayed into."""

    real: Connection
    scratch: Connection
    first: int
    """The number of the action behind which the replay began."""
    last: int
    """And of the last one."""
    url: str
    """Of the scratch database."""


@asynccontextmanager
async def replayed(
    url: str,
    application: Path | None,
    *,
    until: Until | None = None,
    baseline: Path | None = None,
    diverged: Callable[[Divergence], None] = stop,
    prepared: Callable[[Connection], Awaitable[Look | None]] | None = None,
    keep: bool = False,
) -> AsyncIterator[Both]:
    """Replay a database's log into a scratch database, which is dropped afterwards.

    Args:
        url: DSN of the real database, as a role that may make others.
        application: Folder of the application whose SQL is deployed to the scratch database.
        until: Where to end; None for the log's end.
        baseline: Where to begin; None for the log's beginning.
        diverged: Told of each action that does not do what it did.
        prepared: Called with the scratch database before the replay begins; says where to look at it on the way.
        keep: Leave the scratch database there.

    Raises:
        StackError: It cannot be made, or the log cannot be replayed.

    """
    async with connect(url) as real, _scratch_database(url, keep=keep) as scratch_url:
        if keep:
            print(f"The scratch database stays: {scratch_url}")
        await prepare(scratch_url, baseline, application)
        for name, value in SESSION.items():
            await real.execute("select set_config($1, $2, false)", name, value)
        async with real.transaction(isolation="repeatable_read"):
            until = until or Until(seq=await real.fetchval(LAST))
            scratch = await asyncpg.connect(scratch_url, server_settings=dict(SESSION))
            try:
                look = None if prepared is None else await prepared(scratch)
                async with Target.open(scratch_url) as target:
                    first = (await target.position()).seq
                    last = await replay(DatabaseLog(real), target, until, meter(), diverged=diverged, look=look)
                yield Both(real, scratch, first, last, scratch_url)
            finally:
                await scratch.close()


@asynccontextmanager
async def _scratch_database(url: str, *, keep: bool) -> AsyncIterator[str]:
    name = f"fluxwire_scratch_{secrets.token_hex(4)}"
    connection = await asyncpg.connect(url)
    try:
        # Of the same encoding and collation, whatever the server makes by default.
        await connection.execute(await connection.fetchval(ALIKE, name))
    except asyncpg.PostgresError as exc:
        raise StackError("A scratch database cannot be made.", f"{exc}; the role needs createdb.") from exc
    finally:
        await connection.close()
    try:
        yield beside(url, name)
    finally:
        if not keep:
            connection = await asyncpg.connect(url)
            await connection.execute(f"drop database if exists {name} with (force)")
            await connection.close()


def beside(url: str, name: str) -> str:
    """The DSN of another database on the same server."""
    parts = urlsplit(url)
    # Not urlunsplit: it drops the slashes before an empty host.
    return f"{parts.scheme}://{parts.netloc}/{name}" + (f"?{parts.query}" if parts.query else "")
