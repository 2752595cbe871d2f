create or replace function flux.generate_settle(watch flux.watch, match text)
returns void
language plpgsql
volatile
set search_path to ''
as $$
declare
  _name constant text := 'watch_' || watch.id || '_settle';
  _source constant regclass := watch.source::regclass;
  _pointer constant text := flux.pointer(watch.path);
  _item_type text;
  _place_type text;
  _row text;
  _path text;
  _add text;
  _remove text;
begin
  select format_type(a.atttypid, a.atttypmod) into _item_type
  from pg_catalog.pg_attribute a where a.attrelid = _source and a.attname = watch.key;
  select format_type(a.atttypid, a.atttypmod) into _place_type
  from pg_catalog.pg_attribute a where a.attrelid = _source and a.attname = watch.newest;

  -- A row t as it is shown. JSON text all the way: a jsonb value would be built only to be written out again.
  select format(
    'cross join lateral (select %s) as r',
    string_agg(
      format(case when a.atttypid = 'json'::regtype then 't.%1$I::jsonb' else 't.%I' end, c.name),
      ', ' order by c.position
    )
  )
  into _row
  from unnest(watch.columns) with ordinality as c (name, position)
  join pg_catalog.pg_attribute a on a.attrelid = _source and a.attname = c.name;

  -- The path of item %1$s, the operation that shows it as %2$s, and the one that takes it away.
  _path := case
    when watch.key is null then quote_literal(to_json(_pointer))
    when _item_type in ('uuid', 'smallint', 'integer', 'bigint')
      then format('%L || %%1$s || ''"''', left(to_json(_pointer)::text, -1) || '/')
    else format('to_json(%L || flux.step(%%1$s::text))', _pointer)
  end;
  _add := format('''{"op":"add","path":'' || %s || '',"value":'' || %%2$s || ''}''', _path);
  _remove := format('''{"op":"remove","path":'' || %s || ''}''', _path);

  if watch.keep is null then
    execute format(
      $sql$
create or replace function flux.%1$I(tx xid8)
returns flux.operations
language plpgsql
volatile
as $f$
declare
  _operations flux.operations;
begin
  with changed as materialized (
    select distinct on (c.key, c.item) c.key, c.item, c.present
    from flux.change c
    where c.tx = %1$I.tx and c.watch = %2$s
    order by c.key, c.item, c.id
  ),
  operation as (
    select c.key, string_agg(case when r.value is null then %3$s else %4$s end, ', ' order by c.item) as ops
    from changed c
    left join lateral (
      select row_to_json(r)::text as value from %5$s as t %6$s where %7$s and %8$s limit 1
    ) as r on true
    where r.value is not null or c.present
    group by c.key
  )
  select array_agg(o.key), array_agg(o.ops) into _operations.keys, _operations.ops from operation o;
  return _operations;
end;
$f$ $sql$,
      _name, watch.id, format(_remove, 'c.item'), format(_add, 'c.item', 'r.value'), _source, _row,
      format(generate_settle.match, 'flux.key_params(c.key)'),
      case when watch.key is null then 'true' else format('t.%I = c.item::%s', watch.key, _item_type) end
    );
    return;
  end if;

  -- A window. With d changes its edge moves by at most d places, so the rows within d of it tell the window before from
  -- the window after. Whatever stands above them was in the window and is; whatever stands below was not and is not.
  execute format(
    $sql$
create or replace function flux.%1$I(tx xid8)
returns flux.operations
language plpgsql
volatile
as $f$
#variable_conflict use_column
declare
  _operations flux.operations;
  _keep constant integer := %3$s;
  _at record;
  _key text;
  _params jsonb;
  _rank bigint;
  _near boolean;
  _come bigint;
  _gone bigint;
  _shown %4$s[];
  _hidden %4$s[] := '{}';
  _item %4$s;
  _value text;
  _ops text := '';
begin
  -- Down one line a store: the rows near the edge, and those that changed, where they stand now and where they stood.
  for _at in
    with changed as materialized (
      select distinct on (c.key, c.item) c.key, c.item::%4$s as item, c.present, c.place::%5$s as place
      from flux.change c
      where c.tx = %1$I.tx and c.watch = %2$s
      order by c.key, c.item, c.id
    ),
    store as (
      select c.key, flux.key_params(c.key) as params, count(*) as changes from changed c group by c.key
    ),
    near as (
      select s.key, t.item, t.place
      from store s
      cross join lateral (
        select t.%6$I as item, t.%7$I as place
        from %8$s as t
        where %9$s
        order by t.%7$I desc, t.%6$I desc
        offset greatest(_keep - s.changes, 0) limit _keep + s.changes - greatest(_keep - s.changes, 0)
      ) as t
    ),
    come as (
      select c.key, t.%6$I as item, t.%7$I as place, row_to_json(r)::text as value
      from changed c
      join %8$s as t on t.%6$I = c.item and %16$s
      %10$s
    )
    select s.key, s.params, s.changes, null as item, null as place, false as is_near, false as has_gone, null as value
    from store s
    union all
    select key, null, null, item, coalesce(n.place, c.place), n.key is not null, false, c.value
    from near n full join come c using (key, item)
    union all
    select c.key, null, null, c.item, c.place, false, true, null from changed c where c.present
    union all
    select null, null, 0, null, null, false, false, null
    order by key, changes, place desc, item desc
  loop
    if _at.changes is not null then
      -- Here a line begins, and the one before has ended.
      foreach _item in array _hidden loop
        if _item <> all (_shown) then
          _ops := _ops || ', ' || %11$s;
        end if;
      end loop;
      if _ops <> '' then
        _operations.keys := _operations.keys || _key;
        _operations.ops := _operations.ops || substr(_ops, 3);
      end if;
      _key := _at.key;
      _params := _at.params;
      _rank := greatest(_keep - _at.changes, 0);
      _near := false;
      _come := 0;
      _gone := 0;
      _shown := '{}';
      _hidden := '{}';
      _ops := '';
      continue;
    end if;

    -- How many rows stand above a place now is _rank, of those that were there and are _rank - _come.
    if _at.has_gone then
      if _rank - _come + _gone < _keep then
        _hidden := _hidden || _at.item;
      end if;
      _gone := _gone + 1;
      continue;
    end if;
    if _at.is_near then
      _rank := _rank + 1;
      _near := true;
    end if;
    if _at.value is not null then
      _come := _come + 1;
      if (_at.is_near and _rank <= _keep) or not _near then
        _shown := _shown || _at.item;
        _ops := _ops || ', ' || %12$s;
      end if;
    elsif _rank <= _keep and _rank - _come + _gone > _keep then
      select row_to_json(r)::text into _value from %8$s as t %10$s where t.%6$I = _at.item and %13$s limit 1;
      _ops := _ops || ', ' || %14$s;
    elsif _rank > _keep and _rank - _come + _gone <= _keep then
      _ops := _ops || ', ' || %15$s;
    end if;
  end loop;
  return _operations;
end;
$f$ $sql$,
    _name, watch.id, watch.keep, _item_type, _place_type, watch.key, watch.newest, _source,
    format(generate_settle.match, 's.params'), _row,
    format(_remove, '_item'), format(_add, '_at.item', '_at.value'), format(generate_settle.match, '_params'),
    format(_add, '_at.item', '_value'), format(_remove, '_at.item'),
    format(generate_settle.match, 'flux.key_params(c.key)')
  );
end;
$$;

comment on function flux.generate_settle(flux.watch, text) is $$
Generate how the changes of a watched table become operations at commit: flux.watch_<id>_settle, as static SQL.

`match` is the condition that a row t matches the parameters %1$s. What is made returns the operations of each store
that changed; flux.settle_watch calls it.
$$;
