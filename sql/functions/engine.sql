create or replace function flux.engine(out version integer, out oldest integer)
language sql
immutable
set search_path to ''
as $$
  select 1, 1
$$;

comment on function flux.engine() is $$
Which version of the calls between multiplexers and engine this is, and the oldest that it still serves.

Raised with every change that a multiplexer has to know of; the one before is served as well, so that a deploy can go
before the multiplexers.
$$;
