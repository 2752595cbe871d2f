create or replace function flux.now()
returns timestamptz
language sql
stable
as $$
  select coalesce(nullif(current_setting('flux.now', true), '')::timestamptz, clock_timestamp());
$$;

comment on function flux.now() is $$
The time of the action that runs: strictly later than any action's before it, and the same again on replay.

Outside of an action it is the clock.
$$;
