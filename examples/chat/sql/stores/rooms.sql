create or replace function stores.rooms()
returns jsonb
language sql
stable
as $$
  select '{}'::jsonb;
$$;

comment on function stores.rooms() is $$
All rooms, {"rooms": {"<room>": {...}}}; the rows come by the watch in declarations.sql.
$$;
