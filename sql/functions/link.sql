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
language sql
stable
as $$
  -- One expression, not called immutable, since concat_ws is not: so it becomes part of the caller's own.
  -- The texts that may hold any sign come with their lengths, so that no two actions are one text. In bytes: to count
  -- characters each has to be looked at.
  select sha256(previous || convert_to(
    concat_ws(
      E'\n', seq, octet_length(actor), octet_length(client), octet_length(name), octet_length(params),
      octet_length(claims), actor, client, name, params, claims, lane, number,
      round(date_part('epoch', at) * 1000000)::bigint, seed, status, coalesce(code, ''),
      coalesce(sqlstate, ''), coalesce(reply::text, 'null'), coalesce(positions::text, 'null')
    ),
    'UTF8'
  ));
$$;

comment on function flux.link(
  bytea, bigint, text, text, text, integer, bigint, text, text, timestamptz, text, text, jsonb, text, text, jsonb
) is $$
The link of an action in the log: a hash of the link before it and of all that a replay takes from it, so that an entry
that was edited, left out or put in between breaks the chain.
$$;
