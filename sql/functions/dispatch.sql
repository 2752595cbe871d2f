create or replace function flux.dispatch(
  term bigint,
  actors text[],
  claims text[],
  clients text[],
  lanes integer[],
  numbers bigint[],
  names text[],
  params text[],
  refusals text[]
)
returns table (
  status text,
  reply text,
  code text,
  message text,
  constraint_name text,
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
  _count constant integer := coalesce(array_length(dispatch.names, 1), 0);
  _tx constant xid8 := pg_current_xact_id();
  _slots integer[];
  _used bigint[];
  _held boolean[];
  _ran boolean[] := array_fill(false, array[_count]);
  _results flux.result[] := array_fill(null::flux.result, array[_count]);
  _seeds text[] := array_fill(null::text, array[_count]);
  _times timestamptz[] := array_fill(null::timestamptz, array[_count]);
  _result flux.result;
  _slot integer;
  _now timestamptz;
  _stores jsonb;
  _deferred text;
begin
  -- Held to the end: whoever deposes this leader waits for the batch or ends it, and a deposed leader cannot begin one.
  perform from flux.term t where t.term = dispatch.term for share;
  if not found then
    raise exception using errcode = 'FX002', message = format('term %s has ended', dispatch.term);
  end if;

  -- Counters first, locked in one order, before anything runs.
  insert into flux.client as c (actor, client, lane)
  select distinct e.actor, e.client, e.lane
  from unnest(dispatch.actors, dispatch.clients, dispatch.lanes) as e (actor, client, lane)
  order by e.actor, e.client, e.lane
  on conflict do nothing;

  select array_agg(e.slot order by e.position)
  into _slots
  from (
    select dense_rank() over (order by u.actor, u.client, u.lane)::integer as slot, u.position
    from unnest(dispatch.actors, dispatch.clients, dispatch.lanes) with ordinality as u (actor, client, lane, position)
  ) as e;

  select array_agg(l.number order by l.actor, l.client, l.lane), array_agg(false)
  into _used, _held
  from (
    select c.actor, c.client, c.lane, c.number
    from flux.client c
    join (
      select distinct u.actor, u.client, u.lane
      from unnest(dispatch.actors, dispatch.clients, dispatch.lanes) as u (actor, client, lane)
    ) as e on e.actor = c.actor and e.client = c.client and e.lane = c.lane
    order by c.actor, c.client, c.lane
    for update of c
  ) as l;

  select max(l.at) into _now from (select a.at from flux.action a order by a.seq desc limit 1) as l;

  select string_agg(format('%I.%I', n.nspname, c.conname), ', ')
  into _deferred
  from pg_catalog.pg_constraint c
  join pg_catalog.pg_namespace n on n.oid = c.connamespace
  where c.condeferred and c.conrelid <> 'flux.unsettled'::regclass;

  for i in 1 .. _count loop
    _slot := _slots[i];
    if _held[_slot] then
      _result := row('retry', null, 'held', 'An earlier action of this client has to be tried again first.', null, null, '{}', null)::flux.result;
    elsif dispatch.numbers[i] = _used[_slot] + 1 then
      _now := greatest(clock_timestamp(), _now + interval '1 microsecond');
      _times[i] := _now;
      _seeds[i] := gen_random_uuid();
      _result := flux.run(
        i, dispatch.actors[i], dispatch.claims[i], dispatch.names[i], dispatch.params[i], dispatch.refusals[i], _deferred, _now,
        _seeds[i]
      );
      if _result.status = 'retry' then
        _held[_slot] := true;
      else
        _used[_slot] := dispatch.numbers[i];
        _ran[i] := true;
      end if;
    elsif dispatch.numbers[i] <= _used[_slot] then
      _result := null;
      for j in reverse i - 1 .. 1 loop
        -- Twice in one batch: the log does not have the first yet.
        if _ran[j] and _slots[j] = _slot and dispatch.numbers[j] = dispatch.numbers[i] then
          _result := flux.again(dispatch.names[j], dispatch.params[j], dispatch.names[i], dispatch.params[i], _results[j]);
          _result.same_as := j;
          exit;
        end if;
      end loop;
      if _result is null then
        _result := flux.past_outcome(
          dispatch.actors[i], dispatch.clients[i], dispatch.lanes[i], dispatch.numbers[i], dispatch.names[i], dispatch.params[i]
        );
      end if;
    elsif _used[_slot] = 0 then
      _result := row(
        'invalid', null, 'client_expired', 'This client is not known; take a new id and begin at 1.', null, null, '{}', null
      )::flux.result;
    else
      _result := row(
        'invalid', null, 'number_gap', format('Number %s was expected.', _used[_slot] + 1), null, null, '{}', null
      )::flux.result;
    end if;
    _results[i] := _result;
  end loop;
  perform set_config('flux.ordinal', '', true), set_config('flux.actor', '', true), set_config('flux.claims', '', true),
    set_config('flux.now', '', true), set_config('flux.seed', '', true);

  -- Which action touched which stores, before the record of it is settled and gone.
  select jsonb_object_agg(t.action, t.keys)
  into _stores
  from (
    select c.action, jsonb_agg(distinct c.key) as keys from flux.change c where c.tx = _tx group by c.action
  ) as t;
  perform flux.settle();
  if _stores is not null then
    for i in 1 .. _count loop
      if _ran[i] and _stores ? i::text then
        _result := _results[i];
        select jsonb_object_agg(v.key, v.version)
        into _result.stores
        from jsonb_array_elements_text(_stores -> i::text) as k (key)
        join flux.version v on v.key = k.key;
        _results[i] := _result;
      end if;
    end loop;
  end if;

  insert into flux.action (
    actor, claims, client, lane, number, name, params, at, seed, status, reply, code, message, constraint_name, sqlstate, stores
  )
  select
    e.actor, e.claims, e.client, e.lane, e.number, e.name, e.params, e.at, e.seed,
    (e.result).status, (e.result).reply, (e.result).code, (e.result).message, (e.result).constraint_name, (e.result).sqlstate,
    coalesce((e.result).stores, '{}')
  from (
    select u.*, _results[u.position] as result
    from unnest(
      dispatch.actors, dispatch.claims, dispatch.clients, dispatch.lanes, dispatch.numbers, dispatch.names, dispatch.params,
      _times, _seeds, _ran
    ) with ordinality as u (actor, claims, client, lane, number, name, params, at, seed, ran, position)
  ) as e
  where e.ran
  order by e.position;

  update flux.client as c
  set number = e.number, seen_at = now()
  from (
    select u.actor, u.client, u.lane, max(u.number) as number
    from unnest(dispatch.actors, dispatch.clients, dispatch.lanes, dispatch.numbers, _ran) as u (actor, client, lane, number, ran)
    where u.ran
    group by u.actor, u.client, u.lane
  ) as e
  where c.actor = e.actor and c.client = e.client and c.lane = e.lane;

  -- Clients that began beyond 1 have left no trace.
  delete from flux.client c
  using unnest(dispatch.actors, dispatch.clients, dispatch.lanes) as u (actor, client, lane)
  where c.actor = u.actor and c.client = u.client and c.lane = u.lane and c.number = 0;

  for i in 1 .. _count loop
    _result := _results[i];
    if _result.same_as is not null then
      _result.stores := (_results[_result.same_as]).stores;
    end if;
    status := _result.status;
    reply := _result.reply::text;
    code := _result.code;
    message := _result.message;
    constraint_name := _result.constraint_name;
    stores := coalesce(_result.stores, '{}')::text;
    return next;
  end loop;
end;
$$;

comment on function flux.dispatch(bigint, text[], text[], text[], integer[], bigint[], text[], text[], text[]) is $$
Run a batch of actions in one transaction, each in a subtransaction of its own, and log them.

The arrays are parallel, one element an action: actor, claims (JSON text), client id, lane, number, name, params (JSON text as the client
wrote it), refusals (a code to refuse it with instead of running it, or null). Returns one row an action, in their order: status `ok` or `refused` (the number is used, the action is logged), `invalid` (not
tried) or `retry` (a transient fault: send it again, the number is not used), reply and stores (key to version) as JSON text.
Raises FX002 when the term has ended. Rings the doorbell once if a store changed.
$$;
