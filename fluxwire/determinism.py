"""What an action may run that would not be the same when the log is replayed: found in the text of its functions.

Looked at are the actions, whatever triggers, policies, defaults and generated columns of the application's tables run,
its views, and the functions that any of these names. What is found only when it runs (SQL put together from parts, an
extension's own state) shows as a divergence when the log is replayed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import asyncpg  # noqa: TID251 - a deploy is the command line's own business with the database

from fluxwire import faults
from fluxwire.scripts import Script
from fluxwire.statements import blank

ACCEPTED = "@replays"
"""In a comment: on the line in question, on the function or on the column."""

OUT = "take it as an argument"
INSTEAD = {
    r"now|transaction_timestamp|statement_timestamp|clock_timestamp|timeofday": "take flux.now()",
    r"gen_random_uuid|uuidv4|uuidv7|uuid_generate_v[14]\w*": "take flux.uuid()",
    r"random|random_normal|gen_random_bytes|gen_salt|setseed": "take flux.random()",
    r"pg_backend_pid|txid_current\w*|pg_current_(?:xact|wal)_\w+|inet_(?:client|server)_\w+": OUT,
    r"dblink\w*|pg_read_(?:binary_)?file|pg_ls_\w+|pg_stat_file|lo_import|http\w*_?(?:get|post)": OUT,
}
WORDS = r"current_timestamp|current_date|current_time|localtimestamp|localtime"
CALL = re.compile(
    rf"(?P<word>(?<![\w.])(?:{WORDS})\b)|(?:\b(?P<schema>\w+)\s*\.\s*)?\b(?P<name>{'|'.join(INSTEAD)})\s*\(",
    re.IGNORECASE,
)

FUNCTIONS = """
select p.oid::bigint as id, n.nspname as schema, p.proname as name, p.oid::regprocedure::text as signature,
  l.lanname as language, case when p.prosqlbody is null then p.prosrc else pg_get_function_sqlbody(p.oid) end as body,
  coalesce(obj_description(p.oid, 'pg_proc'), '') as comment,
  n.nspname = 'actions' or exists (
    select from pg_trigger t where t.tgfoid = p.oid and not t.tgisinternal
  ) as begins
from pg_proc p
join pg_namespace n on n.oid = p.pronamespace
join pg_language l on l.oid = p.prolang
where n.nspname not in ('flux', 'stores', 'information_schema') and n.nspname !~ '^pg_' and p.prokind in ('f', 'p')
  and not exists (select from pg_depend d where d.classid = 'pg_proc'::regclass and d.objid = p.oid and d.deptype = 'e')
order by p.oid
"""
EXPRESSIONS = """
with own as (
  select c.oid, c.relkind, format('%I.%I', n.nspname, c.relname) as name
  from pg_class c join pg_namespace n on n.oid = c.relnamespace
  where n.nspname not in ('flux', 'information_schema') and n.nspname !~ '^pg_'
    and not exists (
      select from pg_depend d where d.classid = 'pg_class'::regclass and d.objid = c.oid and d.deptype = 'e'
    )
)
select format('The default of %s.%I', o.name, a.attname) as what, pg_get_expr(d.adbin, d.adrelid) as body,
  coalesce(col_description(o.oid, a.attnum), '') as comment
from own o join pg_attrdef d on d.adrelid = o.oid
join pg_attribute a on a.attrelid = o.oid and a.attnum = d.adnum
union all
select format('The policy %I of %s', p.polname, o.name),
  concat_ws(' ', pg_get_expr(p.polqual, p.polrelid), pg_get_expr(p.polwithcheck, p.polrelid)),
  coalesce(obj_description(p.oid, 'pg_policy'), '')
from own o join pg_policy p on p.polrelid = o.oid
union all
select format('The view %s', o.name), pg_get_viewdef(o.oid), coalesce(obj_description(o.oid, 'pg_class'), '')
from own o where o.relkind = 'v'
order by 1
"""


class _Found(NamedTuple):
    call: str
    instead: str
    at: int


async def unreplayable(connection: asyncpg.Connection[asyncpg.Record], scripts: Sequence[Script]) -> list[str]:
    """Look for what would not be the same when the log is replayed.

    Args:
        connection: To the database, with all functions in it.
        scripts: The files that made them.

    Returns:
        What was found, a sentence each, with its file and line.

    """
    functions = await connection.fetch(FUNCTIONS)
    expressions = await connection.fetch(EXPRESSIONS)
    own = {(function["schema"], function["name"]) for function in functions}
    warnings = [
        f"{row['what']} has {found.call}: {found.instead} in the action, or say {ACCEPTED} in its comment."
        for row in expressions
        if ACCEPTED not in row["comment"]
        for found in _calls(row["body"], own)
    ]
    for function in _reached(functions, [row["body"] for row in expressions]):
        if ACCEPTED in function["comment"]:
            continue
        if function["language"] not in ("sql", "plpgsql"):
            warnings.append(
                f"{function['signature']} is written in {function['language']}, which is not looked into: it has to do"
                f" the same when the log is replayed. Say {ACCEPTED} in its comment if it does."
            )
            continue
        for found in _calls(function["body"], own):
            place = faults.place_in_body(scripts, function["name"], function["body"], found.at)
            warnings.append(
                f"{place or function['signature']}: {found.call} will not be the same when the log is replayed:"
                f" {found.instead}, or say {ACCEPTED} in a comment on that line."
            )
    return warnings


def _reached(functions: Sequence[asyncpg.Record], bodies: Sequence[str]) -> Iterator[asyncpg.Record]:
    """Go from actions, triggers and expressions to all functions that they name, and those that these name."""
    named: dict[str, list[asyncpg.Record]] = {function["name"]: [] for function in functions}
    for function in functions:
        named[function["name"]].append(function)
    found = {function["id"]: function for function in functions if function["begins"]}
    texts = [*bodies, *(function["body"] for function in found.values())]
    while texts:
        for word in set(re.findall(r"\w+", texts.pop())) & named.keys():
            for function in named[word]:
                if function["id"] not in found:
                    found[function["id"]] = function
                    texts.append(function["body"])
    yield from sorted(found.values(), key=lambda function: function["id"])


def _calls(body: str, own: set[tuple[str, str]]) -> Iterator[_Found]:
    # What is executed is text: then it is looked for in texts, too.
    code = blank(body, texts=re.search(r"\bexecute\b", body, re.IGNORECASE) is None)
    lines = body.splitlines() or [""]
    for match in CALL.finditer(code):
        schema, name = (match["schema"] or "").lower(), (match["word"] or match["name"]).lower()
        line = lines[min(body.count("\n", 0, match.start()), len(lines) - 1)]
        if schema == "flux" or (schema, name) in own or ACCEPTED in line:
            continue
        if match["word"]:
            yield _Found(name, "take flux.now()", match.start())
        else:
            instead = next(said for names, said in INSTEAD.items() if re.fullmatch(names, name))
            yield _Found(f"{name}()", instead, match.start())
