create or replace function flux.pointer(path text[])
returns text
language sql
immutable
as $$
  select coalesce(string_agg(flux.step(p.key), '' order by p.position), '')
  from unnest(path) with ordinality as p (key, position);
$$;

comment on function flux.pointer(text[]) is $$
A path as an RFC 6901 JSON pointer.
$$;
