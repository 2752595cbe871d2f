create or replace function flux.patch(store text, params jsonb, ops jsonb)
returns void
language plpgsql
volatile
security definer
set search_path to ''
as $$
begin
  if jsonb_typeof(patch.ops) is distinct from 'array' or exists (
    select from jsonb_array_elements(patch.ops) as o (op)
    where (o.op ->> 'op' in ('add', 'replace') and o.op ? 'value' or o.op ->> 'op' = 'remove') is not true
      or jsonb_typeof(o.op -> 'path') is distinct from 'string'
      or (o.op ->> 'path' <> '' and not starts_with(o.op ->> 'path', '/'))
  ) then
    raise exception using
      errcode = 'FX012',
      message = 'a patch is an array of RFC 6902 operations',
      hint = 'They are add, remove and replace: {"op": "add", "path": "/title", "value": "Lobby"}.';
  end if;
  insert into flux.change (tx, action, watch, key, item, present, ops)
  values (
    pg_current_xact_id(), flux.ordinal(), 0, flux.bound_key(patch.store, patch.params), '', true,
    substr(patch.ops::text, 2, length(patch.ops::text) - 2)
  );
  perform flux.unsettled();
end;
$$;

comment on function flux.patch(text, jsonb, jsonb) is $$
Say how a store has changed, by RFC 6902 operations (add, remove, replace); they must lead to what the store renders.

Raises FX010 for an unknown store, FX011 for parameters that are not its own, FX012 when ops is no array of such
operations.
$$;
