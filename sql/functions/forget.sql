create or replace function flux.forget(transactions bigint[])
returns void
language plpgsql
volatile
-- Plans are kept, and one made when the table was empty reads all of it when it is not.
set enable_seqscan to off
-- Nor made anew each time because one transaction promises fewer rows than ten.
set plan_cache_mode to force_generic_plan
as $$
begin
  delete from flux.patch p using unnest(forget.transactions) as t (tx) where p.tx = t.tx::text::xid8;
end;
$$;

comment on function flux.forget(bigint[]) is $$
Delete the patches of these transactions: they have been published.
$$;
