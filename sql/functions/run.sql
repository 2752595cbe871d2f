create or replace function flux.run(
  ordinal integer,
  actor text,
  claims text,
  name text,
  params text,
  refusal text,
  deferred text,
  at timestamptz,
  seed text
)
returns flux.result
language plpgsql
volatile
as $$
declare
  _began constant timestamptz := clock_timestamp();
  _result flux.result;
  _params jsonb;
  _positions jsonb;
  _ignored text;
begin
  if run.refusal is not null then
    _result.status := 'refused';
    _result.code := run.refusal;
    _result.message := 'The action could not be run.';
    _result.took := interval '0';
    return _result;
  end if;

  -- An assignment is evaluated at once; a perform would be a query.
  _ignored := set_config('flux.ordinal', run.ordinal::text, true)
    || set_config('flux.actor', run.actor, true)
    || set_config('flux.claims', run.claims, true)
    || set_config('flux.now', date_part('epoch', run.at)::text, true)
    || set_config('flux.seed', run.seed, true);

  begin
    _params := run.params::jsonb;
    if jsonb_typeof(_params) <> 'object' then
      perform flux.reject('invalid_argument', 'Parameters are a JSON object.');
    end if;
    _positions := flux.positions();
    _ignored := set_config('role', 'fluxwire_application', true);
    _result.reply := flux.call_action(run.name, _params);
    _ignored := flux.put_back()::text;

    -- Constraints that wait for the commit are checked now, so that their verdict is this action's own.
    if run.deferred is not null then
      execute format('set constraints %s immediate', run.deferred);
      execute format('set constraints %s deferred', run.deferred);
    end if;
    _result.status := 'ok';
    if _positions is distinct from flux.positions() then
      _result.positions := _positions;
    end if;
  exception
    when others then
      get stacked diagnostics
        _result.sqlstate = returned_sqlstate,
        _result.message = message_text,
        _result.code = pg_exception_detail,
        _result.constraint_name = constraint_name,
        _result.column_name = column_name;
      _result.reply := null;
      _result.status := 'refused';
      _result.constraint_name := nullif(_result.constraint_name, '');
      _result.column_name := nullif(_result.column_name, '');
      case
        when _result.sqlstate = 'FX001' then
          null;
        when _result.sqlstate ~ '^(40|53|57P0)' or _result.sqlstate in ('55P03', '25006') then
          _result.status := 'retry';
          _result.code := 'transient';
        when _result.sqlstate = '23502' then
          _result.code := 'constraint';
          _result.message := format('The column "%s" needs a value.', _result.column_name);
        when _result.sqlstate ~ '^23' then
          _result.code := 'constraint';
          _result.message := format('The constraint "%s" does not allow it.', _result.constraint_name);
        when _result.sqlstate ~ '^22' then
          _result.code := 'invalid_argument';
        when _result.sqlstate = 'P0001' then
          _result.code := 'raised';
        else
          raise warning 'flux: action %: % %', run.name, _result.sqlstate, _result.message;
          _result.code := 'failed';
          _result.message := 'The action failed.';
      end case;
  end;
  _result.took := clock_timestamp() - _began;
  return _result;
end;
$$;

comment on function flux.run(integer, text, text, text, text, text, text, timestamptz, text) is $$
Run one action in a subtransaction, at its place in the batch, with the time and seed it is to see; or only refuse it.

`deferred` names the constraints that wait for the commit, comma-separated, or is null.

Never raises for what the action does: returns status `ok`, `refused` with a code of docs/protocol.md §6, or `retry`
for a transient fault.
$$;
