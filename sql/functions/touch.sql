create or replace function flux.touch(store text, params jsonb default '{}')
returns void
language plpgsql
volatile
security definer
set search_path to ''
as $$
begin
  insert into flux.change (tx, action, watch, key, item, present)
  values (pg_current_xact_id(), flux.ordinal(), 0, flux.bound_key(touch.store, touch.params), '', true);
  perform flux.unsettled();
end;
$$;

comment on function flux.touch(text, jsonb) is $$
Say that a store has changed: the commit raises its version, and the multiplexer finds the difference by rendering it.

Raises FX010 for an unknown store and FX011 for parameters that are not its own.
$$;
