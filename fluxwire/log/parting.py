"""Which action it was after which a replayed database and the real one part.

The real database is there only as it is now, so what is looked for is in the replay: it runs once more, and every
change to a row that differs is written down with its action. Behind the last action that left such a row as the real
database has it, the next one that changes it is where they part; if none left it so, the first one that changes it.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from fluxwire.log.differences import TABLES, Difference
from fluxwire.stack.database import Connection

MOST = 10_000
"""Most rows that are followed."""

FOLLOW = """
create table flux.followed (source text, key jsonb, here jsonb, primary key (source, key));
create table flux.step_of_followed (
  id bigint generated always as identity primary key, seq bigint, source text, key jsonb, content jsonb
);
create function flux.key_of_row(content jsonb, columns text[]) returns jsonb language sql immutable as $$
  select case when columns = '{}' then content else (
    select jsonb_object_agg(c.name, content -> c.name) from unnest(columns) as c (name)
  ) end
$$;
create function flux.follow_row() returns trigger language plpgsql security definer set search_path to '' as $$
declare
  _columns constant text[] := coalesce(tg_argv[1:], '{}');
  _seq constant bigint := (select l.seq from flux.latest() as l) + flux.ordinal();
  _old constant jsonb := case when tg_op <> 'INSERT' then flux.key_of_row(to_jsonb(old), _columns) end;
  _new constant jsonb := case when tg_op <> 'DELETE' then flux.key_of_row(to_jsonb(new), _columns) end;
begin
  insert into flux.step_of_followed (seq, source, key, content)
  select _seq, f.source, f.key, s.content
  from (
    -- A row that gets another key is gone under the one it had.
    select 1 as nth, _old as key, null::jsonb as content where _old is distinct from _new
    union all
    select 2, _new, case when tg_op <> 'DELETE' then to_jsonb(new) end
  ) as s
  join flux.followed f on f.source = tg_argv[0] and f.key = s.key
  order by s.nth;
  return null;
end $$;
"""
TRIGGER = """
create trigger flux_follow after insert or update or delete on {source}
for each row execute function flux.follow_row({arguments})
"""
FOLLOWED = "insert into flux.followed select * from unnest($1::text[], $2::jsonb[], $3::jsonb[]) on conflict do nothing"
PARTED = """
select s.seq
from flux.followed f
cross join lateral (
  select s.seq
  from flux.step_of_followed s
  where s.source = f.source and s.key = f.key and s.id > coalesce(
    (
      select max(m.id) from flux.step_of_followed m
      where m.source = f.source and m.key = f.key and m.content is not distinct from f.here
    ),
    0
  )
  order by s.id
  limit 1
) as s
order by s.seq
limit 1
"""


async def follow(connection: Connection, found: Sequence[Difference]) -> None:
    """Write down from now on which action changes the rows that differ.

    Args:
        connection: To the scratch database, before it is replayed into.
        found: What differs.

    """
    rows = [difference for difference in found if difference.kind == "table" and difference.key][:MOST]
    sources = {difference.name for difference in rows}
    await connection.execute(FOLLOW)
    for name, key in await connection.fetch(TABLES):
        if name in sources:
            arguments = ", ".join(
                [await connection.fetchval("select quote_literal($1)", word) for word in (name, *key)]
            )
            await connection.execute(TRIGGER.format(source=name, arguments=arguments))
    await connection.execute("create index on flux.step_of_followed (source, key, id)")
    here = [None if row.here is None else msgspec.json.encode(row.here).decode() for row in rows]
    await connection.execute(FOLLOWED, [row.name for row in rows], [row.key for row in rows], here)


async def parting(connection: Connection) -> int | None:
    """Tell the number of the first action after which they part, once the log was replayed; None if none did it."""
    found: int | None = await connection.fetchval(PARTED)
    return found
