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
  _keep constant integer := %3$s;
  _at record;
  _key text;
  _rank bigint;
  _near boolean;
  _come bigint;
  _gone bigint;
  _came %4$s;
  _value text;
  _shown %4$s[];
  _hidden %4$s[] := '{}';
  _item %4$s;
  _ops text := '';
  -- Apart from the result: an array in a row is copied for each element that it gets.
  _all_keys text[];
  _all_ops text[];
begin
  -- Down one line a store: the rows that changed, where they stand now and where they stood, and the rows near the
  -- edge, a changed one of these for the second time.
  for _at in
    with changed as materialized (
      select distinct on (c.key, c.item) c.key, c.item::%4$s as item, c.present, c.place::%5$s as place
      from flux.change c
      where c.tx = %1$I.tx and c.watch = %2$s
      order by c.key, c.item, c.id
    ),
    store as (
      select c.key, flux.key_params(c.key) as params, count(*) as changes from changed c group by c.key
    )
    select c.key, t.%6$I as item, t.%7$I as place, 'came' as kind, null as above, row_to_json(r)::text as value
    from changed c
    join %8$s as t on t.%6$I = c.item and %16$s
    %10$s
    union all
    select s.key, t.item, t.place, 'near', greatest(_keep - s.changes, 0), null
    from store s
    cross join lateral (
      select t.%6$I as item, t.%7$I as place
      from %8$s as t
      where %9$s
      order by t.%7$I desc, t.%6$I desc
      offset greatest(_keep - s.changes, 0) limit _keep + s.changes - greatest(_keep - s.changes, 0)
    ) as t
    union all
    select c.key, c.item, c.place, 'went', null, null from changed c where c.present
    union all
    select null, null, null, 'last', null, null
    order by key, place desc, item desc, kind
  loop
    if _key is distinct from _at.key then
      -- Here a line begins, and the one before has ended.
      foreach _item in array _hidden loop
        if _item <> all (_shown) then
          _ops := _ops || ', ' || %11$s;
        end if;
      end loop;
      if _ops <> '' then
        _all_keys := _all_keys || _key;
        _all_ops := _all_ops || right(_ops, -2);
      end if;
      _key := _at.key;
      _rank := 0;
      _near := false;
      _come := 0;
      _gone := 0;
      _came := null;
      _shown := '{}';
      _hidden := '{}';
      _ops := '';
    end if;

    -- How many rows stand above a place now is _rank, of those that were there and are _rank - _come.
    if _at.kind = 'near' then
      if not _near then
        _rank := _at.above;
        _near := true;
      end if;
      _rank := _rank + 1;
      if _at.item = _came then
        if _rank <= _keep then
          _shown := _shown || _at.item;
          _ops := _ops || ', ' || %14$s;
        end if;
      elsif _rank > _keep then
        if _rank - _come + _gone <= _keep then
          _ops := _ops || ', ' || %15$s;
        end if;
      elsif _rank - _come + _gone > _keep and _at.item <> all (_shown) then
        select row_to_json(r)::text into _value from %8$s as t %10$s where t.%6$I = _at.item and %13$s limit 1;
        _ops := _ops || ', ' || %14$s;
      end if;
    elsif _at.kind = 'came' then
      _come := _come + 1;
      if _near then
        -- If it is near the edge it follows once more, and else it stands below the window.
        _came := _at.item;
        _value := _at.value;
      else
        _shown := _shown || _at.item;
        _ops := _ops || ', ' || %12$s;
      end if;
    elsif _at.kind = 'went' then
      if _rank - _come + _gone < _keep then
        _hidden := _hidden || _at.item;
      end if;
      _gone := _gone + 1;
    end if;
  end loop;
  return row(_all_keys, _all_ops)::flux.operations;
end;
$f$ $sql$,
    _name, watch.id, watch.keep, _item_type, _place_type, watch.key, watch.newest, _source,
    format(generate_settle.match, 's.params'), _row,
    format(_remove, '_item'), format(_add, '_at.item', '_at.value'),
    format(generate_settle.match, 'flux.key_params(_key)'),
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
