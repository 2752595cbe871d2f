"""docs/sql-reference.md: every function of schema flux, in the words of its own comment."""

import re

import asyncpg  # noqa: TID251 - for the catalog, from which the page is made

from fluxwire.stack.database import Connection

HEAD = """\
# SQL reference

Every function of schema `flux`, made out of its `comment on function` by `python -m tests.generated`; do not edit.
[sql.md](sql.md) is where to begin. Errors of the engine have SQLSTATEs of class `FX`.
"""
# What the engine generates for an application's functions and watches is not ours to describe.
FUNCTIONS = """
select
  p.proname as name,
  pg_catalog.pg_get_function_arguments(p.oid) as arguments,
  pg_catalog.pg_get_function_result(p.oid) as result,
  coalesce(pg_catalog.obj_description(p.oid, 'pg_proc'), '') as comment
from pg_catalog.pg_proc p
where p.pronamespace = 'flux'::regnamespace and p.proname !~ '^(action|bind|store|watch_[0-9]+)_'
order by p.proname collate "C", 2
"""
QUOTED = re.compile(r"(`[^`]*`)")


async def reference(connection: Connection) -> str:
    """Write the page.

    Args:
        connection: To a database with the engine in it.

    """
    functions = await connection.fetch(FUNCTIONS)
    index = " · ".join(f"[{name}](#{_anchor(name)})" for name in dict.fromkeys(row["name"] for row in functions))
    return "\n".join([HEAD, index, *(_section(row) for row in functions), ""])


def _section(row: asyncpg.Record) -> str:
    signature = f"flux.{row['name']}({row['arguments']}) → {row['result']}"
    return f"\n## flux.{row['name']}\n\n```\n{signature}\n```\n\n{_markdown(row['comment'].strip())}"


def _anchor(name: str) -> str:
    # As GitHub makes them out of headings.
    return f"flux{name}"


def _markdown(comment: str) -> str:
    """Keep what a comment says of <names>, *stars* and under_scores from being taken for Markdown."""
    parts = QUOTED.split(comment)
    return "".join(part if part.startswith("`") else re.sub(r"([<>*_])", r"\\\1", part) for part in parts)
