create or replace function flux.lock_counters(actions flux.sent[])
returns flux.client[]
language plpgsql
volatile
-- Plans are kept, and one made when the table was empty reads all of it when it is not.
set enable_seqscan to off
-- Nor made anew each time because one action promises fewer rows than ten.
set plan_cache_mode to force_generic_plan
as $$
declare
  _wanted integer;
  _counters flux.client[];
begin
  loop
    select
      count(*),
      coalesce(array_agg(c order by s.actor, s.client, s.lane) filter (where c.number is not null), '{}')
    into _wanted, _counters
    from (
      select distinct a.actor, a.client, a.lane
      from unnest(lock_counters.actions) as a
      -- In one order, so that nobody deadlocks.
      order by a.actor, a.client, a.lane
    ) as s
    left join lateral (
      select c.*
      from flux.client c
      where c.actor = s.actor and c.client = s.client and c.lane = s.lane
      for update
    ) as c on true;
    exit when cardinality(_counters) = _wanted;

    insert into flux.client (actor, client, lane)
    select distinct a.actor, a.client, a.lane
    from unnest(lock_counters.actions) as a
    order by a.actor, a.client, a.lane
    on conflict do nothing;
  end loop;
  return _counters;
end;
$$;

comment on function flux.lock_counters(flux.sent[]) is $$
Lock the counters of the clients of these actions, to the end of the transaction; returns them by actor, client and
lane, at 0 for clients not seen before.
$$;
