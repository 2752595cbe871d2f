create or replace function flux.dispatch(term bigint, actions flux.sent[])
returns table (
  status text,
  reply text,
  code text,
  message text,
  constraint_name text,
  column_name text,
  stores text
)
language plpgsql
volatile
set search_path to ''
set timezone to 'UTC'
set datestyle to 'ISO'
set extra_float_digits to 1
as $$
#variable_conflict use_column
declare
  _tx constant xid8 := pg_current_xact_id();
  _count constant integer := cardinality(dispatch.actions);
  _used bigint[];
  _held boolean[];
  _deferred text;
  _seq bigint;
  _now timestamptz;
  _link bytea;
  _sent record;
  _ran integer[] := '{}';
  _first integer;
  _result flux.result;
  _results flux.result[] := '{}';
  _times timestamptz[] := array_fill(null::timestamptz, array[_count]);
  _seeds text[] := array_fill(null::text, array[_count]);
  _links bytea[] := '{}';
  _touching integer[];
  _touched text[];
begin
  -- Held to the end: whoever deposes this leader waits for the batch or ends it, and a deposed leader cannot begin one.
  -- Nor can two count on in the log at once.
  perform from flux.term t where t.term = dispatch.term for no key update;
  if not found then
    raise exception using errcode = 'FX002', message = format('term %s has ended', dispatch.term);
  end if;

  -- Counters first, locked in one order, before anything runs.
  insert into flux.client as c (actor, client, lane)
  select distinct u.actor, u.client, u.lane
  from unnest(dispatch.actions) as u
  order by u.actor, u.client, u.lane
  on conflict do nothing;

  select array_agg(l.number order by l.actor, l.client, l.lane), array_agg(false)
  into _used, _held
  from (
    select c.actor, c.client, c.lane, c.number
    from flux.client c
    where (c.actor, c.client, c.lane) in (
      select u.actor, u.client, u.lane
      from unnest(dispatch.actions) as u
    )
    order by c.actor, c.client, c.lane
    for update
  ) as l;

  select l.seq, l.at, l.link into _seq, _now, _link from flux.latest() as l;

  select string_agg(format('%I.%I', n.nspname, c.conname), ', ')
  into _deferred
  from pg_catalog.pg_constraint c
  join pg_catalog.pg_namespace n on n.oid = c.connamespace
  where c.condeferred and c.conrelid <> 'flux.unsettled'::regclass;

  for _sent in
    select u.*, dense_rank() over (order by u.actor, u.client, u.lane)::integer as slot
    from unnest(dispatch.actions) with ordinality as u (
      actor, claims, client, lane, number, name, params, refusal, at, seed, positions, place
    )
    order by u.place
  loop
    if _held[_sent.slot] then
      _result := flux.no_outcome('retry', 'held', 'An earlier action of this client has to be tried again first.');
    elsif _sent.number = _used[_sent.slot] + 1 then
      _now := coalesce(_sent.at, greatest(clock_timestamp(), _now + interval '1 microsecond'));
      _times[_sent.place] := _now;
      if _sent.positions is not null then
        perform flux.set_positions(_sent.positions);
      end if;
      _seeds[_sent.place] := coalesce(_sent.seed, gen_random_uuid()::text);
      _result := flux.run(
        _sent.place::integer, _sent.actor, _sent.claims, _sent.name, _sent.params, _sent.refusal, _deferred, _now,
        _seeds[_sent.place]
      );
      if _result.status = 'retry' then
        _held[_sent.slot] := true;
      else
        _used[_sent.slot] := _sent.number;
        _ran := _ran || _sent.place::integer;
        _link := flux.link(
          _link, _seq + cardinality(_ran), _sent.actor, _sent.claims, _sent.client, _sent.lane, _sent.number,
          _sent.name, _sent.params, _now, _seeds[_sent.place], _result.status, _result.reply, _result.code,
          _result.sqlstate, _result.positions
        );
        _links := _links || _link;
      end if;
    elsif _sent.number <= _used[_sent.slot] then
      -- Twice in one batch: the log does not have the first yet.
      select r.place
      into _first
      from unnest(_ran) as r (place)
      where (dispatch.actions[r.place]).number = _sent.number
        and (dispatch.actions[r.place]).client = _sent.client
        and (dispatch.actions[r.place]).actor = _sent.actor
        and (dispatch.actions[r.place]).lane = _sent.lane;
      if found then
        _result := flux.again(
          (dispatch.actions[_first]).name, (dispatch.actions[_first]).params, _sent.name, _sent.params,
          _results[_first]
        );
        _result.same_as := _first;
      else
        _result := flux.past_outcome(_sent.actor, _sent.client, _sent.lane, _sent.number, _sent.name, _sent.params);
      end if;
    elsif _used[_sent.slot] = 0 then
      _result := flux.no_outcome(
        'invalid', 'client_expired', 'This client is not known; take a new id and begin at 1.'
      );
    else
      _result := flux.no_outcome('invalid', 'number_gap', format('Number %s was expected.', _used[_sent.slot] + 1));
    end if;
    _results := _results || _result;
  end loop;
  perform set_config('flux.ordinal', '', true), set_config('flux.actor', '', true), set_config('flux.claims', '', true),
    set_config('flux.now', '', true), set_config('flux.seed', '', true);

  -- Which action touched which stores, before the record of it is settled and gone.
  select t.actions, t.keys into _touching, _touched from flux.touched(_tx) as t;
  perform flux.settle();

  return query
  with touched as (
    select t.action, jsonb_object_agg(t.key, e.base + v.version) as stores
    from unnest(_touching, _touched) as t (action, key)
    join flux.version v on v.key = t.key
    cross join flux.epoch e
    group by t.action
  ),
  outcome as materialized (
    select r.place, r.status, r.reply, r.code, r.message, r.constraint_name, r.column_name, r.sqlstate, r.took,
      r.positions, coalesce(t.stores, r.stores, '{}') as stores
    from unnest(_results) with ordinality as r (
      status, reply, code, message, constraint_name, column_name, sqlstate, stores, took, same_as, positions, place
    )
    left join touched t on t.action = coalesce(r.same_as, r.place)
  ),
  logged as (
    insert into flux.action (
      seq, actor, claims, client, lane, number, name, params, at, took, seed, status, reply, code, message,
      constraint_name, column_name, sqlstate, stores, positions, link, deployment
    )
    select _seq + l.nth, u.actor, u.claims, u.client, u.lane, u.number, u.name, u.params, _times[u.place], o.took,
      _seeds[u.place], o.status, o.reply, o.code, o.message, o.constraint_name, o.column_name, o.sqlstate, o.stores,
      o.positions, l.link, flux.deployment()
    from unnest(dispatch.actions) with ordinality as u (
      actor, claims, client, lane, number, name, params, refusal, at, seed, positions, place
    )
    join unnest(_ran, _links) with ordinality as l (place, link, nth) on l.place = u.place
    join outcome o on o.place = u.place
    returning actor, client, lane, number
  ),
  counted as (
    update flux.client as c
    set number = l.number, seen_at = now()
    from (
      select l.actor, l.client, l.lane, max(l.number) as number from logged l group by l.actor, l.client, l.lane
    ) as l
    where c.actor = l.actor and c.client = l.client and c.lane = l.lane
  )
  select o.status, o.reply::text, o.code, o.message, o.constraint_name, o.column_name, o.stores::text
  from outcome o
  order by o.place;

  if 0 = any (_used) then
    -- Clients that began beyond 1 leave no trace.
    delete from flux.client c
    using unnest(dispatch.actions) as u
    where c.actor = u.actor and c.client = u.client and c.lane = u.lane and c.number = 0;
  end if;
end;
$$;

comment on function flux.dispatch(bigint, flux.sent[]) is $$
Run a batch of actions in one transaction, each in a subtransaction of its own, and log them.

Returns one row an action, in their order: status `ok` or `refused` (the number is used, the action is logged),
`invalid` (not tried) or `retry` (a transient fault: send it again, the number is not used), reply and stores (key to
version) as JSON text. Raises FX002 when the term has ended. Rings the doorbell once if a store changed.
$$;
