create or replace function flux.watch_permission(
  store text,
  source text,
  match jsonb default '{}'
)
returns void
language plpgsql
volatile
set search_path to ''
as $$
declare
  _id integer;
begin
  perform flux.check_watch(watch_permission.store, watch_permission.source, watch_permission.match, '{}');
  insert into flux.watch as w (store, path, source, match, columns, permission)
  values (
    watch_permission.store, array['@permission', watch_permission.source], watch_permission.source,
    watch_permission.match, '{}', true
  )
  on conflict on constraint watch_store_path_key do update set match = excluded.match
  returning w.id into _id;
  perform flux.generate_watch(_id);
end;
$$;

comment on function flux.watch_permission(text, text, jsonb) is $$
Declare that a table decides on who may read a store: whoever holds it is asked for anew when its rows change, before
the update of the commit that changed them reaches him.

`match` maps parameters of the store to columns; where not all are named, a row means every key of the store.
Raises FX010 for an unknown store, FX014 for a declaration that does not fit the table.
$$;
