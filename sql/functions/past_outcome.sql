create or replace function flux.past_outcome(
  actor text,
  client text,
  lane integer,
  number bigint,
  name text,
  params text
)
returns flux.result
language plpgsql
stable
set search_path to ''
as $$
declare
  _past flux.action;
begin
  select a.* into _past
  from flux.action a
  where a.actor = past_outcome.actor
    and a.client = past_outcome.client
    and a.lane = past_outcome.lane
    and a.number = past_outcome.number;
  if not found then
    return flux.no_outcome('invalid', 'outcome_expired', 'The action was applied; its outcome is no longer kept.');
  end if;
  return flux.again(
    _past.name, _past.params, past_outcome.name, past_outcome.params,
    row(
      _past.status, _past.reply, _past.code, _past.message, _past.constraint_name,
      _past.column_name, _past.sqlstate, _past.stores, null, null, null, null, null, null,
      null
    )::flux.result
  );
end;
$$;

comment on function flux.past_outcome(text, text, integer, bigint, text, text) is $$
What became of an action that is sent again, from the log: its outcome, number_reused, or outcome_expired.
$$;
