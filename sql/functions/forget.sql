create or replace function flux.forget(rung bigint[], brought bigint[])
returns void
language plpgsql
volatile
-- Plans are kept, and one made when the table was empty reads all of it when it is not.
set enable_seqscan to off
-- Nor made anew each time because one transaction promises fewer rows than ten.
set plan_cache_mode to force_generic_plan
as $$
begin
  delete from flux.patch p where p.tx = any (forget.rung::text[]::xid8[]) and p.rings;
  delete from flux.patch p where p.tx = any (forget.brought::text[]::xid8[]) and not p.rings;
end;
$$;

comment on function flux.forget(bigint[], bigint[]) is $$
Delete the patches of these transactions: of some those that ring, of others those that flux.dispatch brought. They have
been published.
$$;
