create or replace function flux.replay(
  term bigint,
  actors text[],
  claims text[],
  clients text[],
  lanes integer[],
  numbers bigint[],
  names text[],
  params text[],
  refusals text[],
  times timestamptz[],
  seeds text[],
  positions text[]
)
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
as $$
begin
  perform set_config(
    'flux.replayed',
    jsonb_build_object(
      'times', to_jsonb(replay.times), 'seeds', to_jsonb(replay.seeds), 'positions', to_jsonb(replay.positions)
    )::text,
    true
  );
  return query
  select d.*
  from flux.dispatch(
    replay.term, replay.actors, replay.claims, replay.clients, replay.lanes, replay.numbers, replay.names,
    replay.params,
    replay.refusals
  ) as d;
end;
$$;

comment on function flux.replay(
  bigint, text[], text[], text[], integer[], bigint[], text[], text[], text[], timestamptz[], text[], text[]
) is $$
Run a batch of logged actions again, each with the time and the seed that the log gives it, and with the sequences where
they stood (JSON text, or null for an action that moved none); otherwise as flux.dispatch.
$$;
