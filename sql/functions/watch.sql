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
  _missing text;
  _id integer;
begin
  perform flux.check_watch(watch.store, watch.source, watch.match, _columns || watch.key || watch.newest);
  select string_agg(p.argument, ', ')
  into _missing
  from (
    select unnest(p.proargnames[1:p.pronargs])
    from pg_catalog.pg_proc p
    where p.pronamespace = 'stores'::regnamespace and p.proname = watch.store
    except
    select jsonb_object_keys(watch.match)
  ) as p (argument);
  if _missing is not null then
    raise exception using
      errcode = 'FX014',
      message = format('watch of store %I: match names no column for parameter %s', watch.store, _missing);
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
  where (w.source, w.match, w.key, w.columns, w.newest, w.keep)
    is distinct from (excluded.source, excluded.match, excluded.key, excluded.columns, excluded.newest, excluded.keep);
  if found then
    perform flux.touch_all();
  end if;
  select w.id into strict _id from flux.watch w where w.store = watch.store and w.path = watch.path;

  perform flux.generate_watch(_id);
end;
$$;

comment on function flux.watch(text, text[], text, jsonb, text, text[], text, integer) is $$
Declare that the rows of a table feed a part of a store: render and patches of that part both come from this
declaration.

`match` maps every parameter of the store to a column; `path` is where the part stands in the document. With `key`, a
column, the part is an object of rows by that column; without, it is the one row that matches. `columns` are those to
show (default: all). `newest` and `keep` make a window of the `keep` rows that are greatest by `newest`, then `key`.
Raises FX010 for an unknown store, FX014 for a declaration that does not fit the table.
$$;
