create or replace function flux.keep_counters(actions flux.sent[], used bigint[])
returns void
language plpgsql
volatile
-- Plans are kept, and not made anew each time because one action promises fewer rows than ten.
set plan_cache_mode to force_generic_plan
as $$
begin
  insert into flux.client as c (actor, client, lane, number)
  select u.actor, u.client, u.lane, u.used
  from unnest(keep_counters.actions, keep_counters.used) as u (
    actor, claims, client, lane, number, name, params, refusal, at, seed, positions, used
  )
  where u.used is not null
  on conflict (actor, client, lane) do update set number = excluded.number, seen_at = excluded.seen_at;
end;
$$;

comment on function flux.keep_counters(flux.sent[], bigint[]) is $$
Write down how far clients have come: the numbers that they have used last, each at the place of its client's first
action (flux.counters), null where none was used. Clients that began beyond 1 leave no trace.
$$;
