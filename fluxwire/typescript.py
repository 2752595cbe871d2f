"""TypeScript for what the database's catalog says of a type."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import asyncpg  # noqa: TID251 - for the rows of its catalog

TYPES = """
select
  t.oid, t.typname as name, t.typtype::text as kind, t.typbasetype as base,
  case when t.typcategory = 'A' then t.typelem else 0 end as element,
  coalesce((
    select array_agg(e.enumlabel::text order by e.enumsortorder)
    from pg_catalog.pg_enum e where e.enumtypid = t.oid
  ), '{}') as labels,
  coalesce((
    select json_agg(json_build_object(
      'name', a.attname, 'type', a.atttypid::bigint, 'null', not a.attnotnull
    ) order by a.attnum)
    from pg_catalog.pg_attribute a
    where t.typrelid <> 0 and a.attrelid = t.typrelid and a.attnum > 0 and not a.attisdropped
  ), '[]')::text as columns
from pg_catalog.pg_type t
"""
BOOLEAN = {"bool"}
NUMBERS = {"int2", "int4", "float4", "float8", "oid"}
LONG_NUMBERS = {"int8", "numeric"}
"""JavaScript may not hold them: they may be sent as strings."""
DOCUMENTS = {"json", "jsonb"}
PLAIN_NAME = re.compile(r"[A-Za-z_$][\w$]*", re.ASCII)


@dataclass(frozen=True, slots=True)
class Column:
    """A column, a composite's attribute or a function's result."""

    name: str
    type: int
    null: bool


class Catalog:
    """The types of a database.

    Args:
        rows: What :data:`TYPES` finds.

    """

    def __init__(self, rows: Sequence[asyncpg.Record]) -> None:
        self._types = {row["oid"]: row for row in rows}

    def typescript(self, oid: int, *, sent: bool) -> str:
        """Say a type in TypeScript.

        Args:
            oid: The type.
            sent: Whether it is an argument, where Postgres takes more than it gives.

        """
        row = self._types[oid]
        if row["kind"] == "d":
            return self.typescript(row["base"], sent=sent)
        if row["element"]:
            element = self.typescript(row["element"], sent=sent)
            return f"({element})[]" if " " in element and not element.startswith("{") else f"{element}[]"
        if row["kind"] == "c":
            return self.row(_columns(row["columns"]), sent=sent)
        if row["kind"] == "e":
            return " | ".join(quoted(label) for label in row["labels"])
        return _scalar(row["name"], sent=sent)

    def row(self, columns: Sequence[Column], *, sent: bool = False) -> str:
        """Say a row in TypeScript; of one that is sent, what is left out is null."""
        members = [
            f"{member(column.name)}{'?' if sent else ''}: {self.typescript(column.type, sent=sent)}"
            + (" | null" if column.null else "")
            for column in columns
        ]
        return shape(members)


def member(name: str) -> str:
    """Say a name as a member of an object, in quotes if need be."""
    return name if PLAIN_NAME.fullmatch(name) else quoted(name)


def quoted(value: str) -> str:
    """Say a text as a literal."""
    return "'" + json.dumps(value, ensure_ascii=False)[1:-1].replace('\\"', '"').replace("'", "\\'") + "'"


def shape(members: Sequence[str]) -> str:
    """Say an object of these members."""
    return f"{{ {'; '.join(members)} }}" if members else "{}"


def tree(branches: Mapping[str, object]) -> str:
    """Say nested objects, a member a line; the leaves are TypeScript already."""
    lines = [f"{name}: {tree(below) if isinstance(below, dict) else below};" for name, below in branches.items()]
    return "\n".join(["{", *indented(lines), "}"])


def indented(lines: Sequence[str]) -> list[str]:
    """Move lines to the right, also those within a line."""
    return [f"  {line}" for part in lines for line in part.split("\n")]


def _scalar(name: str, *, sent: bool) -> str:
    if name == "void":
        return "null"
    if name in BOOLEAN:
        return "boolean"
    if name in NUMBERS:
        return "number"
    if name in LONG_NUMBERS:
        return "number | string" if sent else "number"
    return "Json" if name in DOCUMENTS or name == "record" else "string"


def _columns(text: str) -> list[Column]:
    return [Column(column["name"], column["type"], column["null"]) for column in json.loads(text)]
