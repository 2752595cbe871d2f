create or replace function flux.keep_counters(counters flux.client[])
returns void
language plpgsql
volatile
-- Plans are kept, and one made when the table was empty reads all of it when it is not.
set enable_seqscan to off
-- Nor made anew each time because one action promises fewer rows than ten.
set plan_cache_mode to force_generic_plan
as $$
begin
  update flux.client as c
  set number = k.number, seen_at = now()
  from unnest(keep_counters.counters) as k
  where c.actor = k.actor and c.client = k.client and c.lane = k.lane and c.number <> k.number;

  if exists (select from unnest(keep_counters.counters) as k where k.number = 0) then
    -- Clients that began beyond 1 leave no trace.
    delete from flux.client c
    using unnest(keep_counters.counters) as k
    where c.actor = k.actor and c.client = k.client and c.lane = k.lane and k.number = 0;
  end if;
end;
$$;

comment on function flux.keep_counters(flux.client[]) is $$
Write down how far clients have come, after flux.lock_counters.
$$;
