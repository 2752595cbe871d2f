create or replace function flux.set_positions(positions jsonb)
returns void
language plpgsql
volatile
set search_path to ''
as $$
begin
  perform setval(p.key::regclass, (p.value ->> 0)::bigint, (p.value ->> 1)::boolean)
  from jsonb_each(set_positions.positions) as p;
end;
$$;

comment on function flux.set_positions(jsonb) is $$
Put sequences where they stood, as flux.positions told.
$$;
