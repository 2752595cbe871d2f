create or replace function flux.watch(
  store text,
  path text[],
  source text,
  match jsonb,
  key text default null,
  columns text[] default null,
  newest text default null,
  keep integer default null
)
returns void
language plpgsql
volatile
set search_path to ''
as $$
declare
  _source regclass := to_regclass(watch.source);
  _columns text[] := coalesce(watch.columns, array(
    select a.attname::text
    from pg_catalog.pg_attribute a
    where a.attrelid = _source and a.attnum > 0 and not a.attisdropped
    order by a.attnum
  ));
  _arguments text[];
  _missing text;
  _id integer;
begin
  select p.proargnames[1:p.pronargs]
  into _arguments
  from pg_catalog.pg_proc p
  where p.pronamespace = 'stores'::regnamespace and p.proname = watch.store;
  if not found then
    raise exception using errcode = 'FX010', message = format('there is no function stores.%I', watch.store);
  end if;

  if not exists (
    select from pg_catalog.pg_class c
    where c.oid = _source and c.relkind in ('r', 'p') and c.relpersistence <> 't' and c.relnamespace <> 'flux'::regnamespace
  ) then
    raise exception using
      errcode = 'FX014',
      message = format('watch of store %I: %s is not a table that can be watched', watch.store, watch.source),
      hint = 'A view or a foreign table has no rows of its own to watch: watch the tables behind it, or use flux.touch.';
  end if;

  select string_agg(m.argument, ', ')
  into _missing
  from (
    select unnest(_arguments) as argument
    except
    select jsonb_object_keys(watch.match)
  ) as m;
  if _missing is not null then
    raise exception using
      errcode = 'FX014',
      message = format('watch of store %I: match names no column for parameter %s', watch.store, _missing);
  end if;

  select string_agg(format('%I', c.name), ', ')
  into _missing
  from (
    select m.value as name from jsonb_each_text(watch.match) as m
    union all select unnest(_columns)
    union all select watch.key
    union all select watch.newest
  ) as c
  where c.name is not null and not exists (
    select from pg_catalog.pg_attribute a
    where a.attrelid = _source and a.attname = c.name and a.attnum > 0 and not a.attisdropped
  );
  if _missing is not null then
    raise exception using errcode = 'FX014', message = format('watch of store %I: %s has no column %s', watch.store, _source, _missing);
  end if;
  if (watch.keep is null) <> (watch.newest is null) or (watch.keep is not null and watch.key is null) then
    raise exception using
      errcode = 'FX014',
      message = format('watch of store %I: a window needs key, newest and keep together', watch.store);
  end if;

  insert into flux.watch as w (store, path, source, match, key, columns, newest, keep)
  values (watch.store, watch.path, _source::text, watch.match, watch.key, _columns, watch.newest, watch.keep)
  on conflict on constraint watch_store_path_key do update
  set source = excluded.source, match = excluded.match, key = excluded.key,
    columns = excluded.columns, newest = excluded.newest, keep = excluded.keep
  returning w.id into _id;

  perform flux.generate_watch(_id);
end;
$$;

comment on function flux.watch(text, text[], text, jsonb, text, text[], text, integer) is $$
Declare that the rows of a table feed a part of a store: render and patches of that part both come from this declaration.

`match` maps every parameter of the store to a column; `path` is where the part stands in the document. With `key`, a column, the part is an
object of rows by that column; without, it is the one row that matches. `columns` are those to show (default: all). `newest` and `keep`
make a window of the `keep` rows that are greatest by `newest`, then `key`.
Raises FX010 for an unknown store, FX014 for a declaration that does not fit the table.
$$;
