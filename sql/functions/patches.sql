create or replace function flux.patches(transactions bigint[], most_bytes integer)
returns flux.notice[]
language plpgsql
stable
-- Plans are kept, and one made when the table was empty reads all of it when it is not.
set enable_seqscan to off
-- For a few rows a bitmap is one more thing to make ready.
set enable_bitmapscan to off
-- Nor made anew each time because one transaction promises fewer rows than ten.
set plan_cache_mode to force_generic_plan
as $$
begin
  return array(
    select row(
      p.tx::text::bigint, p.key, (select e.epoch from flux.epoch e), p.from_version, p.to_version,
      case when octet_length(p.ops) <= patches.most_bytes then p.ops end, p.recheck, p.kick, p.rings
    )::flux.notice
    from flux.patch p
    -- A join might as well read the whole table, whatever is off.
    where p.tx = any (patches.transactions::text[]::xid8[])
    order by array_position(patches.transactions, p.tx::text::bigint), p.key <> '', p.from_version, p.key
  );
end;
$$;

comment on function flux.patches(bigint[], integer) is $$
The patches of these transactions, in their order, that all stores moved first; what is not there (any more) is left
out.

Without ops a store has to be rendered; ops of more than `most_bytes` are left out.
$$;
