create or replace function flux.settle(
  rings boolean,
  out actions integer[],
  out touched text[],
  out keys text[],
  out versions bigint[]
)
language plpgsql
volatile
security definer
set search_path to ''
set timezone to 'UTC'
set datestyle to 'ISO'
set extra_float_digits to 1
-- Plans are kept, and one made when a table was empty reads all of it when it is not.
set enable_seqscan to off
-- Nor made anew each time because one action promises fewer rows than ten.
set plan_cache_mode to force_generic_plan
set enable_bitmapscan to off
-- Before version 17 what is off and used all the same counts as so dear that compiling seems worth it.
set jit to off
as $$
declare
  _tx constant xid8 := pg_current_xact_id();
  _base bigint;
  _changed text[];
  _watched integer[];
  _watches integer[];
  _watch integer;
  _operations flux.operations;
  _keys text[] := '{}';
  _ops text[] := '{}';
  _ignored text;
begin
  select
    array_agg(c.key), array_agg(c.watch), array_agg(distinct c.watch),
    array_agg(c.action) filter (where c.watch >= 0), array_agg(c.key) filter (where c.watch >= 0)
  into _changed, _watched, _watches, settle.actions, settle.touched
  from (select distinct c.action, c.key, c.watch from flux.change c where c.tx = _tx) as c;
  if _watches is null then
    return;
  end if;

  -- To the end nobody raises the base of all versions, nor has since it is read here.
  -- An assignment is evaluated at once; a perform would be a query.
  _ignored := pg_advisory_xact_lock_shared(hashtext('flux.base'))::text;
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
    select distinct t.key, 1
    from unnest(settle.touched) as t (key)
    order by t.key
    on conflict (key) do update set version = v.version + 1
    returning v.key, _base + v.version as version
  )
  select array_agg(r.key), array_agg(r.version) into settle.keys, settle.versions from risen r;

  if settle.rings is null then
    delete from flux.change c where c.tx = _tx;
    return;
  end if;

  if 0 = any (_watches) then
    -- Said by flux.patch, and by flux.touch, whose ops are null: the multiplexer finds out how.
    select array_agg(c.key order by c.id), array_agg(c.ops order by c.id)
    into _keys, _ops
    from flux.change c
    where c.tx = _tx and c.watch = 0;
  end if;
  foreach _watch in array _watches loop
    if _watch > 0 then
      _operations := flux.settle_watch(_watch, _tx);
      _keys := _keys || _operations.keys;
      _ops := _ops || _operations.ops;
    end if;
  end loop;

  insert into flux.patch (tx, rings, key, from_version, to_version, ops)
  select
    _tx, settle.rings, v.key, v.version - 1, v.version,
    case
      when not coalesce(bool_or(o.key is not null and o.ops is null), false)
        then '[' || coalesce(string_agg(nullif(o.ops, ''), ', ' order by o.position), '') || ']'
    end
  from unnest(settle.keys, settle.versions) as v (key, version)
  left join unnest(_keys, _ops) with ordinality as o (key, ops, position) on o.key = v.key
  group by v.key, v.version;

  if 0 > any (_watches) then
    insert into flux.patch (tx, rings, key, from_version, to_version, recheck)
    select distinct _tx, settle.rings, c.key, 0, 0, true
    from unnest(_changed, _watched) as c (key, watch)
    where c.watch < 0;
  end if;

  delete from flux.change c where c.tx = _tx;
  if settle.rings then
    perform pg_notify('flux', _tx::text);
  end if;
end;
$$;

comment on function flux.settle(boolean) is $$
Turn what this transaction has changed into versions, patches and, if it rings, one doorbell; without patches if `rings`
is null, since nobody listens.

Returns which actions touched which stores, by their places in the batch, and the versions that these stores have now;
two pairs of parallel arrays. Called at commit, by a deferred trigger, or by flux.dispatch at its end.
$$;
