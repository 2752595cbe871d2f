create or replace function flux.patches(transactions bigint[], most_bytes integer)
returns table (
  tx bigint,
  key text,
  epoch text,
  from_version bigint,
  to_version bigint,
  ops text,
  recheck boolean,
  kick text
)
language plpgsql
stable
-- Plans are kept, and one made when the table was empty reads all of it when it is not.
set enable_seqscan to off
-- Nor made anew each time because one transaction promises fewer rows than ten.
set plan_cache_mode to force_generic_plan
as $$
#variable_conflict use_column
begin
  return query
  select p.tx::text::bigint, p.key, e.epoch, p.from_version, p.to_version,
    case when octet_length(o.ops) <= patches.most_bytes then o.ops end, p.recheck, p.kick
  from unnest(patches.transactions) with ordinality as t (tx, position)
  join flux.patch p on p.tx = t.tx::text::xid8
  cross join lateral (select p.ops::text as ops offset 0) as o
  cross join flux.epoch e
  order by t.position, p.key <> '', p.from_version, p.key;
end;
$$;

comment on function flux.patches(bigint[], integer) is $$
The patches of these transactions, in their order, that all stores moved first; what is not there (any more) is left
out.

Without ops a store has to be rendered; ops of more than `most_bytes` are left out.
$$;
