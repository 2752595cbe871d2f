create or replace function flux.counters(actions flux.sent[], out slots integer[], out numbers bigint[])
language plpgsql
stable
-- Plans are kept, and one made when the table was empty reads all of it when it is not.
set enable_seqscan to off
-- Nor made anew each time because one action promises fewer rows than ten.
set plan_cache_mode to force_generic_plan
as $$
begin
  select array_agg(s.slot order by s.place), array_agg(coalesce(c.number, 0) order by s.place)
  into counters.slots, counters.numbers
  from (
    select
      a.actor, a.client, a.lane, a.place,
      (min(a.place) over (partition by a.actor, a.client, a.lane))::integer as slot
    from unnest(counters.actions) with ordinality as a (
      actor, claims, client, lane, number, name, params, refusal, at, seed, positions, place
    )
  ) as s
  left join flux.client c on c.actor = s.actor and c.client = s.client and c.lane = s.lane;
end;
$$;

comment on function flux.counters(flux.sent[]) is $$
How far the clients of these actions have come: for each action the place of its client's first one in the batch, and
the number that this client has used last, 0 for one not seen before; two arrays in the order of the actions.

Nobody else counts meanwhile: flux.dispatch holds the term.
$$;
