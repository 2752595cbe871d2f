create or replace function flux.now()
returns timestamptz
language sql
stable
as $$
  -- Seconds since 1970: read faster than a date, and in every time zone alike. Nothing here is volatile, so that it is
  -- inlined.
  select coalesce(to_timestamp(nullif(current_setting('flux.now', true), '')::double precision), statement_timestamp());
$$;

comment on function flux.now() is $$
The time of the action that runs: strictly later than any action's before it, and the same again on replay.

Outside of an action it is the time of the statement.
$$;
