create or replace function flux.dispatch(
  term bigint,
  actions flux.sent[],
  most_bytes integer,
  out outcomes flux.outcome[],
  out rung bigint[],
  out notices flux.notice[]
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
  _deferred constant text := flux.deferred();
  _clients record;
  _used bigint[] := array_fill(null::bigint, array[cardinality(dispatch.actions)]);
  _held integer[] := '{}';
  _latest record;
  _now timestamptz;
  _seq bigint;
  _link bytea;
  _seed text;
  _sent flux.sent;
  _place integer := 0;
  _slot integer;
  _number bigint;
  _first integer;
  _result flux.result;
  _results flux.result[] := '{}';
  _repeated integer[] := '{}';
  _settled record;
  _moved record;
  _ignored text;
begin
  -- Held to the end: whoever deposes this leader waits for the batch or ends it, and a deposed leader cannot begin one.
  -- Nor can two count on at once, in the log or for a client.
  perform from flux.term t where t.term = dispatch.term for no key update;
  if not found then
    raise exception using errcode = 'FX002', message = format('term %s has ended', dispatch.term);
  end if;

  _clients := flux.counters(dispatch.actions);
  _latest := flux.latest();
  _seq := _latest.seq;
  _now := _latest.at;
  _link := _latest.link;

  foreach _sent in array dispatch.actions loop
    _place := _place + 1;
    _slot := _clients.slots[_place];
    _number := coalesce(_used[_slot], _clients.numbers[_slot]);
    if _slot = any (_held) then
      _result := flux.no_outcome('retry', 'held', 'An earlier action of this client has to be tried again first.');
    elsif _sent.number = _number + 1 then
      _now := coalesce(_sent.at, greatest(clock_timestamp(), _now + interval '1 microsecond'));
      if _sent.positions is not null then
        perform flux.set_positions(_sent.positions);
      end if;
      _seed := coalesce(_sent.seed, gen_random_uuid()::text);
      _result := flux.run(
        _place, _sent.actor, _sent.claims, _sent.name, _sent.params, _sent.refusal, _deferred, _now, _seed
      );
      if _result.status = 'retry' then
        _held := _held || _slot;
      else
        _used[_slot] := _sent.number;
        _seq := _seq + 1;
        _link := flux.link(
          _link, _seq, _sent.actor, _sent.claims, _sent.client, _sent.lane, _sent.number,
          _sent.name, _sent.params, _now, _seed, _result.status, _result.reply, _result.code,
          _result.sqlstate, _result.positions
        );
        _result.seq := _seq;
        _result.at := _now;
        _result.seed := _seed;
        _result.link := _link;
      end if;
    elsif _sent.number <= _number then
      -- Twice in one batch: the log does not have the first yet.
      select r.place
      into _first
      from generate_subscripts(_results, 1) as r (place)
      where _clients.slots[r.place] = _slot
        and (dispatch.actions[r.place]).number = _sent.number
        and (_results[r.place]).seq is not null;
      if found then
        _result := flux.again(
          (dispatch.actions[_first]).name, (dispatch.actions[_first]).params, _sent.name, _sent.params,
          _results[_first]
        );
        _result.same_as := _first;
        _result.seq := null;
        _repeated := _repeated || _place;
      else
        _result := flux.past_outcome(_sent.actor, _sent.client, _sent.lane, _sent.number, _sent.name, _sent.params);
      end if;
    elsif _number = 0 then
      _result := flux.no_outcome(
        'invalid', 'client_expired', 'This client is not known; take a new id and begin at 1.'
      );
    else
      _result := flux.no_outcome(
        'invalid', 'number_gap', format('Number %s was expected.', _number + 1)
      );
    end if;
    _results := _results || _result;
  end loop;
  -- An assignment is evaluated at once; a perform would be a query.
  _ignored := set_config('flux.ordinal', '', true)
    || set_config('flux.actor', '', true)
    || set_config('flux.claims', '', true)
    || set_config('flux.now', '', true)
    || set_config('flux.seed', '', true);

  -- Who asks for no patches has nobody to tell: a replay.
  _settled := flux.settle(rings => case when dispatch.most_bytes is not null then false end);
  for _moved in
    select t.action as place, jsonb_object_agg(t.key, v.version) as stores
    from unnest(_settled.actions, _settled.touched) as t (action, key)
    join unnest(_settled.keys, _settled.versions) as v (key, version) on v.key = t.key
    group by t.action
  loop
    _results[_moved.place].stores := _moved.stores;
  end loop;
  foreach _place in array _repeated loop
    _results[_place].stores := _results[_results[_place].same_as].stores;
  end loop;

  insert into flux.action (
    seq, actor, claims, client, lane, number, name, params, at, took, seed, status, reply, code, message,
    constraint_name, column_name, sqlstate, stores, positions, link, deployment
  )
  select u.seq, u.actor, u.claims, u.client, u.lane, u.number, u.name, u.params, u.at, u.took, u.seed, u.status,
    u.reply, u.code, u.message, u.constraint_name, u.column_name, u.sqlstate, coalesce(u.stores, '{}'), u.positions,
    u.link, flux.deployment()
  from unnest(dispatch.actions, _results) as u (
    actor, claims, client, lane, number, name, params, refusal, sent_at, sent_seed, sent_positions,
    status, reply, code, message, constraint_name, column_name, sqlstate, stores, took, same_as, positions, seq, at,
    seed, link
  )
  where u.seq is not null;

  _ignored := flux.keep_counters(dispatch.actions, _used)::text;

  dispatch.outcomes := array(
    select row(
      r.status, r.reply::text, r.code, r.message, r.constraint_name, r.column_name, coalesce(r.stores, '{}')::text
    )::flux.outcome
    from unnest(_results) as r
  );
  if dispatch.most_bytes is not null then
    -- Whatever of others these patches build upon is committed; its doorbell may be heard later than this answer.
    dispatch.rung := flux.rung();
    dispatch.notices := flux.patches(array[pg_current_xact_id()::text::bigint], dispatch.most_bytes);
  end if;
end;
$$;

comment on function flux.dispatch(bigint, flux.sent[], integer) is $$
Run a batch of actions in one transaction, each in a subtransaction of its own, and log them.

Returns the outcomes in the order of the actions: status `ok` or `refused` (the number is used, the action is logged),
`invalid` (not tried) or `retry` (a transient fault: send it again, the number is not used). No doorbell rings: what is
to be told of this commit is returned as well, as flux.patches has it, and which commits of others are to be told before
it; if `most_bytes` is null, nobody listens, and neither is made. Raises FX002 when the term has ended.
$$;
