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
  _tx xid8 := pg_current_xact_id();
  _base bigint;
  _watch integer;
begin
  if not exists (select from flux.change c where c.tx = _tx) then
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

  -- The locks of all keys, in their order, held to the end: versions are dense and in commit order, and nobody deadlocks.
  -- Whatever looks at the tables below sees what the earlier holders committed.
  insert into flux.version as v (key, version)
  select distinct c.key, 1
  from flux.change c
  where c.tx = _tx and c.watch >= 0
  order by c.key
  on conflict (key) do update set version = v.version + 1;

  for _watch in select distinct c.watch from flux.change c where c.tx = _tx and c.watch > 0 loop
    execute format('select flux.%I($1)', 'watch_' || _watch || '_settle') using _tx;
  end loop;

  insert into flux.patch (tx, key, from_version, to_version, ops)
  select
    _tx,
    c.key,
    _base + v.version - 1,
    _base + v.version,
    case
      -- Touched: the multiplexer finds out how.
      when bool_or(c.watch = 0 and c.ops is null) then null
      else coalesce(
        jsonb_agg(op.value order by c.id, op.position) filter (where op.value is not null),
        '[]'
      )
    end
  from flux.change c
  join flux.version v on v.key = c.key
  left join lateral jsonb_array_elements(c.ops) with ordinality as op (value, position) on true
  where c.tx = _tx and c.watch >= 0
  group by c.key, v.version
  order by c.key;

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
