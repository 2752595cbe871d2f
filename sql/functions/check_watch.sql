create or replace function flux.check_watch(store text, source text, match jsonb, columns text[])
returns void
language plpgsql
stable
set search_path to ''
as $$
declare
  _source constant regclass := to_regclass(check_watch.source);
  _missing text;
begin
  if not exists (
    select from pg_catalog.pg_proc p
    where p.pronamespace = 'stores'::regnamespace and p.proname = check_watch.store
  ) then
    raise exception using errcode = 'FX010', message = format('there is no function stores.%I', check_watch.store);
  end if;

  if not exists (
    select from pg_catalog.pg_class c
    where c.oid = _source and c.relkind in ('r', 'p') and c.relpersistence <> 't'
      and c.relnamespace <> 'flux'::regnamespace
  ) then
    raise exception using
      errcode = 'FX014',
      message = format(
        'watch of store %I: %s is not a table that can be watched', check_watch.store, check_watch.source
      ),
      hint = 'A view or a foreign table has no rows to watch: watch the tables behind it, or use flux.touch.';
  end if;

  select string_agg(format('%I', c.name), ', ')
  into _missing
  from (
    select m.value as name from jsonb_each_text(check_watch.match) as m
    union all
    select unnest(check_watch.columns)
  ) as c
  where c.name is not null and not exists (
    select from pg_catalog.pg_attribute a
    where a.attrelid = _source and a.attname = c.name and a.attnum > 0 and not a.attisdropped
  );
  if _missing is not null then
    raise exception using
      errcode = 'FX014',
      message = format('watch of store %I: %s has no column %s', check_watch.store, check_watch.source, _missing);
  end if;

  select string_agg(m.key, ', ')
  into _missing
  from jsonb_object_keys(check_watch.match) as m (key)
  where m.key <> '@actor' and not exists (
    select from pg_catalog.pg_proc p
    where p.pronamespace = 'stores'::regnamespace and p.proname = check_watch.store
      and m.key = any (p.proargnames[1:p.pronargs])
  );
  if _missing is not null then
    raise exception using
      errcode = 'FX014',
      message = format('watch of store %I: the store has no parameter %s', check_watch.store, _missing);
  end if;
end;
$$;

comment on function flux.check_watch(text, text, jsonb, text[]) is $$
Make sure that a declaration can work: that there are the store, the table, the columns and the parameters it names.

Raises FX010 for an unknown store, FX014 for anything else.
$$;
