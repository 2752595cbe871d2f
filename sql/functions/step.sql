create or replace function flux.step(key text)
returns text
language sql
immutable
as $$
  select '/' || replace(replace(key, '~', '~0'), '/', '~1');
$$;

comment on function flux.step(text) is $$
One step of an RFC 6901 JSON pointer. Simple enough to be inlined: it runs for every operation of every patch.
$$;
