"""`fluxwire verify`: does the log lead to what the database holds?

Replays into a scratch database beside the real one, and compares every table of the application and every store. What
was written past the actions shows as a difference: the log does not know of it.
"""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Iterable
from pathlib import Path
from typing import TypeAlias

import asyncpg  # noqa: TID251 - the command line's own look into both databases
import msgspec
import uvloop

from fluxwire.replay import add_application, add_baseline, application_of
from fluxwire.scratch import Both, replayed
from fluxwire.stack.database import database_url

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"

SHOWN = 10
"""How many differences of one table are told."""
STORES_AT_ONCE = 100

# Content, and how often: in whatever order the rows lie.
TABLES = """
select format('%I.%I', n.nspname, c.relname) as name, array(
  select a.attname::text from pg_index i join pg_attribute a on a.attrelid = i.indrelid and a.attnum = any (i.indkey)
  where i.indrelid = c.oid and i.indisprimary order by array_position(i.indkey::int2[], a.attnum)
) as key
from pg_class c join pg_namespace n on n.oid = c.relnamespace
where c.relkind in ('r', 'p') and not c.relispartition and c.relpersistence <> 't'
  and n.nspname not in ('flux', 'information_schema') and n.nspname !~ '^pg_'
order by 1
"""
DIGEST = "select count(*), coalesce(sum(hashtextextended(t::text, 0)::numeric), 0)::text from {table} t"
HASHES = "select hashtextextended(t::text, 0) from {table} t"
ROWS = "select to_jsonb(t)::text from {table} t where hashtextextended(t::text, 0) = any ($1::bigint[])"
KEYS = "select key from flux.version where version > 0"
DOCUMENTS = """
select k.key, sha256(convert_to(r.document::text, 'UTF8'))
from unnest($1::text[]) as k (key) cross join lateral flux.render(k.key) as r
"""


async def differences(both: Both) -> list[str]:
    """Compare every table of the application, and every store.

    Args:
        both: The real database, and the one that its log was replayed into.

    Returns:
        What differs, a sentence each.

    """
    return [*await _compare_tables(*both), *await _compare_stores(*both)]


async def _compare_tables(source: Connection, scratch: Connection) -> list[str]:
    here = {row["name"]: row["key"] for row in await source.fetch(TABLES)}
    there = {row["name"] for row in await scratch.fetch(TABLES)}
    found = [f"table {name}: only here" for name in sorted(here.keys() - there)]
    for table in sorted(here.keys() & there):
        digest = DIGEST.format(table=table)
        if tuple(await source.fetchrow(digest) or ()) != tuple(await scratch.fetchrow(digest) or ()):
            found += await _compare_rows(source, scratch, table, here[table])
    return found


async def _compare_rows(source: Connection, scratch: Connection, table: str, key: list[str]) -> list[str]:
    async def hashes(side: Connection) -> set[int]:
        return {row[0] for row in await side.fetch(HASHES.format(table=table))}

    async def rows(side: Connection, wanted: Iterable[int]) -> dict[str, str]:
        found: dict[str, str] = {}
        for (text,) in await side.fetch(ROWS.format(table=table), list(wanted)):
            row = msgspec.json.decode(text)
            found[msgspec.json.encode({name: row[name] for name in key} if key else row).decode()] = text
        return found

    ours, theirs = await hashes(source), await hashes(scratch)
    here, there = await rows(source, ours - theirs), await rows(scratch, theirs - ours)
    both = sorted(here.keys() | there.keys())
    if not both:
        return [f"table {table}: the same rows, and not as often"]
    told = [
        f"table {table}, {name}: {here.get(name, 'not there')}, and replayed {there.get(name, 'not there')}"
        for name in both[:SHOWN]
    ]
    return told + ([f"table {table}: {len(both) - SHOWN} rows more"] if len(both) > SHOWN else [])


async def _compare_stores(source: Connection, scratch: Connection) -> list[str]:
    keys = sorted({row["key"] for side in (source, scratch) for row in await side.fetch(KEYS)})
    found = []
    for start in range(0, len(keys), STORES_AT_ONCE):
        some = keys[start : start + STORES_AT_ONCE]
        here, there = await _documents(source, some), await _documents(scratch, some)
        found += [f"store {key}: renders otherwise" for key in some if here[key] != there[key]]
    return found


async def _documents(side: Connection, keys: list[str]) -> dict[str, object]:
    """The hash of each store's document, or why it cannot be rendered."""
    try:
        async with side.transaction():
            return {key: digest for key, digest in await side.fetch(DOCUMENTS, keys)}  # noqa: C416 - records
    except asyncpg.PostgresError as exc:
        if len(keys) == 1:
            return {keys[0]: exc.sqlstate}
        return {key: digest for one in keys for key, digest in (await _documents(side, [one])).items()}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what `fluxwire verify` takes."""
    parser.add_argument("--keep", action="store_true", help="leave the scratch database there, to look at")
    add_baseline(parser)
    add_application(parser)


def run(args: argparse.Namespace) -> int:
    """Verify, and say what differs; the code is 0 if nothing does."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        found = runner.run(
            verify(database_url(args.data), application_of(args), baseline=args.baseline, keep=args.keep)
        )
    print("\n".join([*found, f"{len(found)} differences"]))
    return 1 if found else 0


async def verify(url: str, application: Path | None, *, baseline: Path | None = None, keep: bool = False) -> list[str]:
    """Replay a database's log, and tell what differs from the database.

    Args:
        url: DSN.
        application: Folder of the application whose SQL the database has.
        baseline: Where to begin; None for the log's beginning.
        keep: Leave the scratch database there.

    Raises:
        StackError: The log cannot be replayed, or an action does not do what it did.

    """
    async with replayed(url, application, baseline=baseline, keep=keep) as both:
        return await differences(both)
