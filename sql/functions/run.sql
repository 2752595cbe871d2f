create or replace function flux.run(
  ordinal integer,
  actor text,
  claims text,
  name text,
  params text,
  refusal text,
  at timestamptz,
  seed text
)
returns flux.result
language plpgsql
volatile
set search_path to ''
as $$
declare
  _result flux.result;
  _params jsonb;
  _statement text;
  _deferred text;
begin
  if run.refusal is not null then
    _result.status := 'refused';
    _result.code := run.refusal;
    _result.message := 'The action could not be run.';
    return _result;
  end if;

  perform
    set_config('flux.ordinal', run.ordinal::text, true),
    set_config('flux.actor', run.actor, true),
    set_config('flux.claims', run.claims, true),
    set_config('flux.now', run.at::text, true),
    set_config('flux.seed', run.seed, true),
    set_config('flux.drawn', '0', true);

  begin
    _params := run.params::jsonb;
    if jsonb_typeof(_params) <> 'object' then
      raise invalid_parameter_value using message = 'params must be a JSON object';
    end if;

    select c.statement, c.code, c.message
    into _statement, _result.code, _result.message
    from flux.call('actions', run.name, array(select jsonb_object_keys(_params))) as c;
    if _statement is null then
      _result.status := 'refused';
      return _result;
    end if;

    execute _statement into _result.reply using _params;

    -- Constraints that wait for the commit are checked now, so that their verdict is this action's own.
    select string_agg(format('%I.%I', n.nspname, c.conname), ', ')
    into _deferred
    from pg_catalog.pg_constraint c
    join pg_catalog.pg_namespace n on n.oid = c.connamespace
    where c.condeferred and c.conrelid <> 'flux.unsettled'::regclass;
    if _deferred is not null then
      execute format('set constraints %s immediate', _deferred);
      execute format('set constraints %s deferred', _deferred);
    end if;
    _result.status := 'ok';
  exception
    when others then
      get stacked diagnostics
        _result.sqlstate = returned_sqlstate,
        _result.message = message_text,
        _result.code = pg_exception_detail,
        _result.constraint_name = constraint_name;
      _result.reply := null;
      _result.status := 'refused';
      _result.constraint_name := nullif(_result.constraint_name, '');
      case
        when _result.sqlstate = 'FX001' then
          null;
        when _result.sqlstate ~ '^(40|53|57P0)' or _result.sqlstate in ('55P03', '25006') then
          _result.status := 'retry';
          _result.code := 'transient';
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
  return _result;
end;
$$;

comment on function flux.run(integer, text, text, text, text, text, timestamptz, text) is $$
Run one action in a subtransaction, at its place in the batch, with the time and seed it is to see; or only refuse it.

Never raises for what the action does: returns status `ok`, `refused` with a code of docs/protocol.md §6, or `retry` for a transient fault.
$$;
