create or replace function flux.settle()
returns void
language plpgsql
volatile
security definer
set search_path to ''
set timezone to 'UTC'
set datestyle to 'ISO'
set extra_float_digits to 1
-- Plans are kept, and one made when a table was empty reads all of it when it is not.
set enable_seqscan to off
set enable_bitmapscan to off
-- Before version 17 what is off and used all the same counts as so dear that compiling seems worth it.
set jit to off
as $$
declare
  _tx constant xid8 := pg_current_xact_id();
  _base bigint;
  _watches integer[];
  _watch integer;
  _keys text[];
  _versions bigint[];
  _more_keys text[];
  _more_ops text[];
  _watched_keys text[] := '{}';
  _watched_ops text[] := '{}';
begin
  select array_agg(distinct c.watch) into _watches from flux.change c where c.tx = _tx;
  if _watches is null then
    return;
  end if;

  -- To the end nobody raises the base of all versions, nor has since it is read here.
  perform pg_advisory_xact_lock_shared(hashtext('flux.base'));
  if current_setting('transaction_isolation') = 'read committed' then
    select e.base into _base from flux.epoch e;
  else
    -- Fails if the base is another than in this transaction's snapshot.
    select e.base into _base from flux.epoch e for share;
  end if;

  -- The locks of all keys, in their order, held to the end: versions are dense and in commit order, and nobody
  -- deadlocks. Whatever looks at the tables below sees what the earlier holders committed.
  with risen as (
    insert into flux.version as v (key, version)
    select distinct c.key, 1
    from flux.change c
    where c.tx = _tx and c.watch >= 0
    order by c.key
    on conflict (key) do update set version = v.version + 1
    returning v.key, v.version
  )
  select array_agg(r.key), array_agg(r.version) into _keys, _versions from risen r;

  foreach _watch in array _watches loop
    if _watch > 0 then
      execute format('select array_agg(s.key), array_agg(s.ops) from flux.%I($1) as s', 'watch_' || _watch || '_settle')
      into _more_keys, _more_ops
      using _tx;
      _watched_keys := _watched_keys || _more_keys;
      _watched_ops := _watched_ops || _more_ops;
    end if;
  end loop;

  insert into flux.patch (tx, key, from_version, to_version, ops)
  select
    _tx,
    v.key,
    _base + v.version - 1,
    _base + v.version,
    case
      -- Touched: the multiplexer finds out how.
      when bool_or(o.is_touch) then null
      else '[' || coalesce(string_agg(nullif(o.ops, ''), ', ' order by o.is_watched, o.position), '') || ']'
    end
  from unnest(_keys, _versions) as v (key, version)
  left join (
    select c.key, c.ops, c.ops is null as is_touch, false as is_watched, c.id as position
    from flux.change c
    where c.tx = _tx and c.watch = 0
    union all
    select w.key, w.ops, false, true, w.position
    from unnest(_watched_keys, _watched_ops) with ordinality as w (key, ops, position)
  ) as o on o.key = v.key
  group by v.key, v.version;

  insert into flux.patch (tx, key, from_version, to_version, recheck)
  select distinct _tx, c.key, 0, 0, true from flux.change c where c.tx = _tx and c.watch < 0;

  delete from flux.change c where c.tx = _tx;
  perform pg_notify('flux', _tx::text);
end;
$$;

comment on function flux.settle() is $$
Turn what this transaction has changed into versions, patches and one doorbell.

Called at commit, by a deferred trigger, or by flux.dispatch at its end.
$$;
