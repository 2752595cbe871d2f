"""`fluxwire types`: TypeScript for every action and store, out of the database's catalog.

An action's parameters and reply, and a store's parameters, have the types of its SQL function. What a function gives
as jsonb is declared in its comment, in TypeScript, behind ``@reply`` or ``@document``; the watched parts of a store
have the types of their columns. The rest of the comment becomes the doc comment.
"""

import argparse
import asyncio
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import asyncpg  # noqa: TID251 - the command line's own look into the catalog

from fluxwire.stack.database import Connection, connect, database_url
from fluxwire.stack.errors import StackError
from fluxwire.typescript import TYPES, Catalog, Column, indented, member, quoted, shape, tree

Argument = dict[str, Any]

HEADER = "// Made by `fluxwire types` out of the database's catalog; do not edit."
WIDTH = 120
NOTHING = "Record<never, never>"

FUNCTIONS = """
select
  p.pronamespace::regnamespace::text as schema,
  p.proname as name,
  p.prorettype as reply,
  p.proretset as several,
  coalesce(pg_catalog.obj_description(p.oid, 'pg_proc'), '') as comment,
  coalesce((
    select json_agg(json_build_object(
      'name', a.name, 'type', a.type::bigint, 'mode', a.mode,
      'default', pg_catalog.pg_get_function_arg_default(p.oid, a.position::integer)
    ) order by a.position)
    from unnest(
      p.proargnames,
      coalesce(p.proallargtypes, p.proargtypes::oid[]),
      coalesce(p.proargmodes, array_fill('i'::"char", array[p.pronargs]))
    ) with ordinality as a (name, type, mode, position)
  ), '[]')::text as arguments
from pg_catalog.pg_proc p
where p.pronamespace in ('actions'::regnamespace, 'stores'::regnamespace) and p.prokind = 'f'
order by p.proname collate "C"
"""
WATCHES = """
select store, path, source::regclass::oid as source, key, columns
from flux.watch where not permission order by store, path
"""
COLUMNS = """
select a.attname as name, a.atttypid as type, not a.attnotnull as null
from pg_catalog.pg_attribute a where a.attrelid = $1 and a.attnum > 0 and not a.attisdropped
"""
PRIVATE = "select name from flux.declared_store where private"

TAG = re.compile(r"^@(reply|document)\b[ \t]*(.*?)(?=^@|\Z)", re.MULTILINE | re.DOTALL)


async def typescript(connection: Connection) -> str:
    """Write a TypeScript module with a reference for every action and store.

    Args:
        connection: To a database with Fluxwire in it.

    """
    catalog = Catalog(await connection.fetch(TYPES))
    documents = await _watched(connection, catalog)
    private = {row["name"] for row in await connection.fetch(PRIVATE)}
    shapes, stores, actions = [], [], []
    for function in await connection.fetch(FUNCTIONS):
        name, tags = function["name"], dict(TAG.findall(function["comment"]))
        about = TAG.sub("", function["comment"])
        arguments = json.loads(function["arguments"])
        params = _params(catalog, [argument for argument in arguments if argument["mode"] in "ib"])
        if function["schema"] == "actions":
            reply = tags.get("reply", "").strip() or _reply(catalog, function, arguments)
            actions += [
                *_doc(about),
                *_entry(f"{member(name)}: defineAction<", [params, reply], f">({quoted(name)}),"),
            ]
        else:
            if name in private:
                about += "\n\nPrivate: each actor has its own."
            parts = [part for part in (tags.get("document", "").strip(), documents.get(name)) if part]
            shapes.append(f"{member(name)}: {' & '.join(parts) or 'JsonObject'};")
            stores += [
                *_doc(about),
                *_entry(f"{member(name)}: defineStore<", [f"Documents[{quoted(name)}]", params], f">({quoted(name)}),"),
            ]
    body = [
        "/** The documents of the stores. */",
        "export interface Documents {",
        *indented(shapes),
        "}",
        "",
        "export const stores = {",
        *indented(stores),
        "};",
        "",
        "export const actions = {",
        *indented(actions),
        "};",
        "",
    ]
    return "\n".join([HEADER, *_imports("\n".join(body)), "", *body])


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what `fluxwire types` takes."""
    parser.add_argument("--out", type=Path, metavar="FILE", help="where to write (default: to the terminal)")


def run(args: argparse.Namespace) -> int:
    """Write the module."""
    module = asyncio.run(of_database(database_url(args.data)))
    if args.out is None:
        print(module, end="")
    else:
        write(args.out, module)
    return 0


async def of_database(url: str) -> str:
    """Write the module of a database.

    Raises:
        StackError: It cannot be reached, or nothing was deployed to it.

    """
    async with connect(url) as connection:
        return await typescript(connection)


def write(path: Path, module: str) -> None:
    """Write a file, unless it is so already: whoever watches it would build for nothing."""
    if not path.exists() or path.read_text(encoding="utf-8") != module:
        path.write_text(module, encoding="utf-8")


async def _watched(connection: Connection, catalog: Catalog) -> dict[str, str]:
    """Say for every store with watched tables what these put into its document."""
    trees: dict[str, dict[str, object]] = {}
    for watch in await connection.fetch(WATCHES):
        rows = await connection.fetch(COLUMNS, watch["source"])
        found = {row["name"]: Column(row["name"], row["type"], row["null"]) for row in rows}
        missing = [name for name in watch["columns"] if name not in found]
        if missing:
            raise StackError(f"Store {watch['store']} watches columns that are gone: {', '.join(missing)}.")
        row = catalog.row([found[name] for name in watch["columns"]])
        *above, last = watch["path"]
        branches = trees.setdefault(watch["store"], {})
        for step in above:
            below = branches.setdefault(member(step), {})
            assert isinstance(below, dict), "no path leads into another's part"
            branches = below
        # Without a key it is the one row that matches, if there is one.
        keyed = watch["key"] is not None
        branches[member(last) + ("" if keyed else "?")] = f"Record<string, {row}>" if keyed else row
    return {store: tree(branches) for store, branches in trees.items()}


def _params(catalog: Catalog, arguments: Sequence[Argument]) -> str:
    members = []
    for argument in arguments:
        default = argument["default"]
        type_ = catalog.typescript(argument["type"], sent=True)
        if default is not None and str(default).upper().startswith("NULL"):
            type_ += " | null"
        members.append(f"{member(argument['name'])}{'' if default is None else '?'}: {type_}")
    return shape(members) if members else NOTHING


def _reply(catalog: Catalog, function: asyncpg.Record, arguments: Sequence[Argument]) -> str:
    """Say what an action's caller gets: what flux.generate_call makes of the function's result."""
    results = [
        Column(argument["name"], argument["type"], null=True) for argument in arguments if argument["mode"] in "bot"
    ]
    reply = catalog.row(results) if len(results) > 1 else catalog.typescript(function["reply"], sent=False)
    # The first of several rows, if there is one.
    return f"{reply} | null" if function["several"] else reply


def _entry(head: str, arguments: Sequence[str], tail: str) -> list[str]:
    line = head + ", ".join(arguments) + tail
    if len(line) <= WIDTH:
        return [line]
    return [head, *(f"  {argument}," for argument in arguments[:-1]), f"  {arguments[-1]}", tail]


def _doc(comment: str) -> list[str]:
    lines = comment.strip().replace("*/", "*\\/").split("\n")
    if lines == [""]:
        return []
    if len(lines) == 1:
        return [f"/** {lines[0].strip()} */"]
    return ["/**", *(f" * {line.rstrip()}".rstrip() for line in lines), " */"]


def _imports(body: str) -> list[str]:
    """Import what the module uses: TypeScript may be told to complain of the rest."""
    code = re.sub(r"/\*\*.*?\*/", "", body, flags=re.DOTALL)

    def used(names: Sequence[str]) -> str:
        return ", ".join(name for name in names if re.search(rf"\b{name}\b", code))

    functions, shapes = used(["defineAction", "defineStore"]), used(["Json", "JsonObject"])
    return [
        *([f"import {{ {functions} }} from 'fluxwire';"] if functions else []),
        *([f"import type {{ {shapes} }} from 'fluxwire';"] if shapes else []),
    ]
