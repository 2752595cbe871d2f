"""What differs between two databases: every table of the application, whatever its order, and every store."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, NamedTuple

import asyncpg  # noqa: TID251 - the command line's own look into both databases
import msgspec

from fluxwire.stack.database import Connection

SHOWN = 10
"""How many differences of one table are told."""
STORES_AT_ONCE = 100
WIDTH = 200
"""Most characters of a value that are shown."""
ABSENT = "nothing"

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
# In a thousand parts, so that no more is fetched than differs: content, and how often.
PARTS = """
select h & 1023 as part, count(*) as rows, sum(h::numeric)::text as digest
from (select hashtextextended(t::text, 0) as h from {table} t) as t group by 1
"""
HASHES = """
select h, count(*) from (select hashtextextended(t::text, 0) as h from {table} t) as t
where h & 1023 = any ($1::bigint[]) group by 1
"""
ROWS = "select to_jsonb(t)::text from {table} t where hashtextextended(t::text, 0) = any ($1::bigint[])"
KEYS = "select key from flux.version where version > 0"
HASHED = """
select k.key, sha256(convert_to(r.document::text, 'UTF8'))
from unnest($1::text[]) as k (key) cross join lateral flux.render(k.key) as r
"""
DOCUMENT = "select document::text from flux.render($1)"


class Difference(NamedTuple):
    """A row or a store that is not the same in both databases; JSON values, None for what is not there."""

    kind: str
    """``table`` or ``store``."""
    name: str
    """Of the table, or the store's key."""
    key: str
    """Of the row, JSON; of a store the path at which the documents part. Empty where the table itself is missing."""
    here: Any
    there: Any

    def told(self, other: str) -> str:
        """Say where it is, and both values: of a row those of the columns that differ."""
        here, there = self.here, self.there
        if not self.key:
            return f"{self.kind} {self.name}: there is none in the {other} database"
        if self.kind == "table" and isinstance(here, dict) and isinstance(there, dict):
            names = [name for name in here if here[name] != there.get(name, ABSENT)]
            here, there = ({name: side.get(name) for name in names} for side in (here, there))
        return f"{self.kind} {self.name}, {self.key}: here {_shown(here)}, {other} {_shown(there)}"


def _shown(value: Any) -> str:  # noqa: ANN401 - any JSON
    text = (
        ABSENT if value is None else value if isinstance(value, str) and value.startswith("SQLSTATE") else _json(value)
    )
    return text if len(text) <= WIDTH else text[:WIDTH] + "…"


def _json(value: Any) -> str:  # noqa: ANN401 - any JSON
    return msgspec.json.encode(value).decode()


async def differences(here: Connection, there: Connection) -> list[Difference]:
    """Compare every table of the application, and every store that ever changed.

    Args:
        here: To the real database.
        there: To the one that its log was replayed into.

    """
    return [*await _compare_tables(here, there), *await _compare_stores(here, there)]


def told(found: Sequence[Difference], there: str = "replayed") -> list[str]:
    """Say what differs, a line each, of each table so many; ``there`` is the other database's name."""
    lines: list[str] = []
    of: dict[str, int] = {}
    for difference in found:
        of[difference.name] = of.get(difference.name, 0) + 1
        if of[difference.name] <= SHOWN:
            lines.append(difference.told(there))
    return lines + [f"table {name}: {count - SHOWN} rows more" for name, count in of.items() if count > SHOWN]


async def _compare_tables(here: Connection, there: Connection) -> list[Difference]:
    ours = {row["name"]: row["key"] for row in await here.fetch(TABLES)}
    theirs = {row["name"] for row in await there.fetch(TABLES)}
    found = [Difference("table", name, "", None, None) for name in sorted(ours.keys() - theirs)]
    for table in sorted(ours.keys() & theirs):
        query = PARTS.format(table=table)
        parts = [{tuple(row) for row in rows} for rows in await asyncio.gather(here.fetch(query), there.fetch(query))]
        if differing := sorted({part for part, *_ in parts[0] ^ parts[1]}):
            found += await _compare_rows(here, there, table, ours[table], differing)
    return found


async def _compare_rows(
    here: Connection, there: Connection, table: str, key: list[str], parts: list[int]
) -> list[Difference]:
    hashes = [
        {tuple(row) for row in rows}
        for rows in await asyncio.gather(*(side.fetch(HASHES.format(table=table), parts) for side in (here, there)))
    ]
    rows: list[dict[str, Any]] = []
    for side, wanted in ((here, hashes[0] - hashes[1]), (there, hashes[1] - hashes[0])):
        found = await side.fetch(ROWS.format(table=table), [digest for digest, _ in wanted])
        rows.append({identity(msgspec.json.decode(text), key): msgspec.json.decode(text) for (text,) in found})
    both = sorted(rows[0].keys() | rows[1].keys())
    return [Difference("table", table, each, rows[0].get(each), rows[1].get(each)) for each in both]


def identity(row: dict[str, Any], key: list[str]) -> str:
    """Tell which row it is: by the columns of its key, or by all if it has none."""
    return _json({name: row[name] for name in key} if key else row)


async def _compare_stores(here: Connection, there: Connection) -> list[Difference]:
    keys = sorted({row["key"] for side in (here, there) for row in await side.fetch(KEYS)})
    found = []
    for start in range(0, len(keys), STORES_AT_ONCE):
        some = keys[start : start + STORES_AT_ONCE]
        ours, theirs = await asyncio.gather(_hashed(here, some), _hashed(there, some))
        for key in some:
            if ours[key] != theirs[key]:
                path, *values = parted(await _document(here, key), await _document(there, key))
                found.append(Difference("store", key, path or "the whole document", *values))
    return found


async def _hashed(side: Connection, keys: list[str]) -> dict[str, object]:
    """The hash of each store's document, or why it cannot be rendered."""
    try:
        async with side.transaction():
            return {key: digest for key, digest in await side.fetch(HASHED, keys)}  # noqa: C416 - records
    except asyncpg.PostgresError as exc:
        if len(keys) == 1:
            return {keys[0]: exc.sqlstate}
        return {key: digest for one in keys for key, digest in (await _hashed(side, [one])).items()}


async def _document(side: Connection, key: str) -> Any:  # noqa: ANN401 - any JSON
    try:
        async with side.transaction():
            return msgspec.json.decode(await side.fetchval(DOCUMENT, key))
    except asyncpg.PostgresError as exc:
        return f"SQLSTATE {exc.sqlstate}: {exc}"


def parted(here: Any, there: Any, path: str = "") -> tuple[str, Any, Any]:  # noqa: ANN401 - any JSON
    """Find where two documents part first, as a JSON pointer, and what is there in each."""
    if isinstance(here, dict) and isinstance(there, dict):
        for name in [*here, *(there.keys() - here.keys())]:
            if here.get(name) != there.get(name) or (name in here) != (name in there):
                step = name.replace("~", "~0").replace("/", "~1")
                return parted(here.get(name), there.get(name), f"{path}/{step}")
    if isinstance(here, list) and isinstance(there, list) and len(here) == len(there):
        for index, (one, other) in enumerate(zip(here, there, strict=True)):
            if one != other:
                return parted(one, other, f"{path}/{index}")
    return path, here, there
