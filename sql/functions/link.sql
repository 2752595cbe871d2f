create or replace function flux.link(
  previous bytea,
  seq bigint,
  actor text,
  claims text,
  client text,
  lane integer,
  number bigint,
  name text,
  params text,
  at timestamptz,
  seed text,
  status text,
  reply jsonb,
  code text,
  sqlstate text,
  positions jsonb
)
returns bytea
language plpgsql
immutable
as $$
begin
  -- The texts that may hold any sign come with their lengths, so that no two actions are one text.
  return sha256(link.previous || convert_to(
    concat_ws(
      E'\n', link.seq, length(link.actor), length(link.client), length(link.name), length(link.params),
      length(link.claims), link.actor, link.client, link.name, link.params, link.claims, link.lane, link.number,
      round(date_part('epoch', link.at) * 1000000)::bigint, link.seed, link.status, coalesce(link.code, ''),
      coalesce(link.sqlstate, ''), coalesce(link.reply::text, 'null'), coalesce(link.positions::text, 'null')
    ),
    'UTF8'
  ));
end;
$$;

comment on function flux.link(
  bytea, bigint, text, text, text, integer, bigint, text, text, timestamptz, text, text, jsonb, text, text, jsonb
) is $$
The link of an action in the log: a hash of the link before it and of all that a replay takes from it, so that an entry
that was edited, left out or put in between breaks the chain.
$$;
