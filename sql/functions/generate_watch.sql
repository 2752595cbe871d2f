create or replace function flux.generate_watch(id integer)
returns void
language plpgsql
volatile
set search_path to ''
as $$
declare
  _watch flux.watch;
  _prefix text := 'watch_' || generate_watch.id;
  _source regclass;
  _key text;
  _match text;
  _filled text;
  _shown text;
  _item text;
  _place text;
  _pinned constant text := $sql$set search_path to ''
set timezone to 'UTC'
set datestyle to 'ISO'
set extra_float_digits to 1$sql$;
  _recorder_settings text := $sql$set search_path to ''$sql$;
  _event record;
  _recorder text;
begin
  select w.* into strict _watch from flux.watch w where w.id = generate_watch.id;
  _source := _watch.source::regclass;

  -- The store key of a row %1$s, the condition that a row t matches parameters %1$s, and that a row %1$s has a key at
  -- all. The key is flux.key of these parameters, joined as text, which is much less work: in the order that jsonb
  -- keeps.
  select
    format('%L || %s || ''}''', _watch.store || '{', coalesce(string_agg(
      format(
        '%L || ' || case
          when a.type in ('text', 'uuid', 'boolean', 'smallint', 'integer', 'bigint') then 'to_json(%%1$s.%I::%s)'
          when a.type = 'numeric' then 'to_jsonb(trim_scale(%%1$s.%I::%s))'
          else 'to_jsonb(%%1$s.%I::%s)'
        end,
        to_json(m.key) || ': ', m.value, a.type
      ),
      ' || '', '' || ' order by octet_length(m.key), m.key collate "C"
    ), '''''')),
    coalesce(
      string_agg(format('t.%I = (%%1$s ->> %L)::%s', m.value, m.key, format_type(c.atttypid, c.atttypmod)), ' and '),
      'true'
    ),
    coalesce(string_agg(format('%%1$s.%I is not null', m.value), ' and '), 'true')
  into _key, _match, _filled
  from jsonb_each_text(_watch.match) as m
  left join pg_catalog.pg_attribute c on c.attrelid = _source and c.attname = m.value
  left join lateral (
    select format_type(p.proargtypes[i - 1], null) as type
    from pg_catalog.pg_proc p
    cross join generate_series(1, p.pronargs) as i
    where p.pronamespace = 'stores'::regnamespace and p.proname = _watch.store and p.proargnames[i] = m.key
    union all
    select 'text' where m.key = '@actor'
  ) as a on true;
  if _watch.permission and exists (
    select from pg_catalog.pg_proc p
    where p.pronamespace = 'stores'::regnamespace and p.proname = _watch.store and p.pronargs > 0
      and not p.proargnames[1:p.pronargs] <@ array(select jsonb_object_keys(_watch.match))
  ) then
    -- Not every parameter is known from the row: every key of the store is meant.
    _key := quote_literal(_watch.store);
  end if;
  _key := coalesce(_key, format('flux.key(%L, ''{}'')', _watch.store));

  select format('jsonb_build_object(%s)', string_agg(format('%1$L, t.%1$I', c.name), ', ' order by c.position))
  into _shown
  from unnest(_watch.columns) with ordinality as c (name, position);

  -- Each setting that a function pins costs it some microseconds a call: the recorder, which runs for every statement
  -- of every writer, pins only what its columns' text depends on.
  if exists (
    select from pg_catalog.pg_attribute a
    where a.attrelid = _source
      and (
        a.attname in (_watch.key, _watch.newest)
        or a.attname in (select m.value from jsonb_each_text(_watch.match) as m)
      )
      and a.atttypid not in (
        'text'::regtype, 'varchar'::regtype, 'bpchar'::regtype, 'uuid'::regtype, 'boolean'::regtype,
        'smallint'::regtype, 'integer'::regtype, 'bigint'::regtype, 'numeric'::regtype
      )
      -- As JSON these are read back as they were, in whatever zone.
      and not (
        a.attname = _watch.newest and a.attname is distinct from _watch.key
        and a.atttypid in ('timestamptz'::regtype, 'timestamp'::regtype, 'date'::regtype)
      )
  ) then
    _recorder_settings := _pinned;
  end if;
  _item := case when _watch.key is null then '''''' else format('%%1$s.%I::text', _watch.key) end;
  _place := case when _watch.newest is null then 'null' else format('to_jsonb(%%1$s.%I) #>> ''{}''', _watch.newest) end;

  select p.prosrc into _recorder
  from pg_catalog.pg_proc p
  where p.oid = to_regprocedure(format('flux.%I()', _prefix || '_record'));

  execute format($sql$
create or replace function flux.%1$I()
returns trigger
language plpgsql
security definer
%2$s
as $f$
declare
  _action constant integer := flux.ordinal();
begin
  if tg_op = 'TRUNCATE' then
    -- Which rows went is not known: every store of this name may have moved.
    insert into flux.change (tx, action, watch, key, item, present)
    select pg_current_xact_id(), _action, %12$s
  elsif tg_op <> 'INSERT' then
    insert into flux.change (tx, action, watch, key, item, present, place)
    select pg_current_xact_id(), _action, %4$s, %5$s, %6$s, true, %7$s from old_rows as o where %8$s;
  end if;
  if tg_op in ('INSERT', 'UPDATE') then
    insert into flux.change (tx, action, watch, key, item, present)
    select pg_current_xact_id(), _action, %4$s, %9$s, %10$s, false from new_rows as n where %11$s;
  end if;
  -- flux.dispatch settles by itself, so that outcomes can name the versions.
  if _action = 0 and (found or tg_op = 'UPDATE') then
    insert into flux.unsettled (tx) values (pg_current_xact_id()) on conflict do nothing;
  end if;
  return null;
end;
$f$ $sql$,
    _prefix || '_record', _recorder_settings, _watch.store,
    case when _watch.permission then -_watch.id else _watch.id end,
    format(_key, 'o'), format(_item, 'o'), format(_place, 'o'), format(_filled, 'o'),
    format(_key, 'n'), format(_item, 'n'), format(_filled, 'n'),
    case
      when _watch.permission then format('%s, %L, '''', true;', -_watch.id, _watch.store)
      else format('0, v.key, '''', true from flux.version v where starts_with(v.key, %L);', _watch.store || '{')
    end
  );

  if _recorder <> (
    select p.prosrc from pg_catalog.pg_proc p where p.oid = format('flux.%I()', _prefix || '_record')::regprocedure
  ) then
    -- What was recorded in the old way is settled in the old way: those who write to it end first, and others begin
    -- afterwards.
    execute format('lock table %s in share row exclusive mode', _source);
  end if;

  -- Statement triggers fire for the table that a statement names: the partitions and children need their own.
  -- Taking triggers off and on again would lock the tables on every deploy.
  for _event in
    select t.tgname, t.tgrelid::regclass as source
    from pg_catalog.pg_trigger t
    where t.tgfoid = format('flux.%I()', _prefix || '_record')::regprocedure
      and t.tgrelid not in (select l.member from flux.lineage(_source) as l (member))
  loop
    execute format('drop trigger %I on %s', _event.tgname, _event.source);
  end loop;
  for _event in
    select l.member as source, e.name, e.referencing, format('flux_%s_%s', _prefix, e.name) as trigger
    from flux.lineage(_source) as l (member)
    cross join (values
      ('insert', 'referencing new table as new_rows'),
      ('update', 'referencing old table as old_rows new table as new_rows'),
      ('delete', 'referencing old table as old_rows'),
      ('truncate', '')
    ) as e (name, referencing)
  loop
    if not exists (
      select from pg_catalog.pg_trigger t where t.tgrelid = _event.source and t.tgname = _event.trigger
    ) then
      execute format(
        'create trigger %I after %s on %s %s for each statement execute function flux.%I()',
        _event.trigger, _event.name, _event.source, _event.referencing, _prefix || '_record'
      );
      -- Also for those who write with session_replication_role = replica.
      execute format('alter table %s enable always trigger %I', _event.source, _event.trigger);
      if _event.name = 'truncate' and not _watch.permission then
        -- Rows that were there before us belong to stores that never changed: a truncate has to find these, too.
        execute format(
          'insert into flux.version (key, version)'
            ' select distinct %s, 0 from only %s as t where %s on conflict do nothing',
          format(_key, 't'), _event.source, format(_filled, 't')
        );
      end if;
    end if;
  end loop;

  update flux.watch w set members = flux.members(_source) where w.id = _watch.id;
  if _watch.members = '{}' then
    perform flux.touch_all();
  elsif flux.moved_rows(_watch.members, flux.members(_source)) then
    -- Nothing recorded which, and since then documents may have been rendered with them that go by the versions of
    -- those without.
    perform flux.begin_epoch(), flux.touch_all();
  end if;

  if _watch.permission then
    return;
  end if;

  execute format($sql$
create or replace function flux.%1$I(params jsonb)
returns jsonb
language plpgsql
stable
%2$s
as $f$
begin
  return (select %3$s from (select t.* from %4$s as t where %5$s %6$s) as t);
end;
$f$ $sql$,
    _prefix || '_part', _pinned,
    case
      when _watch.key is null then _shown
      else format('coalesce(jsonb_object_agg(t.%I, %s), ''{}'')', _watch.key, _shown)
    end,
    _source,
    format(_match, 'params'),
    case
      when _watch.key is null then 'limit 1'
      when _watch.keep is not null
        then format('order by t.%I desc, t.%I desc limit %s', _watch.newest, _watch.key, _watch.keep)
    end
  );

  perform flux.generate_settle(_watch, _match);
  perform flux.generate_settle_watch();
end;
$$;

comment on function flux.generate_watch(integer) is $$
Generate what a watch needs: the triggers that record, the part of the render, and the patches at commit, each as static
SQL.
$$;
