create or replace function flux.ordinal()
returns integer
language sql
stable
as $$
  select coalesce(nullif(current_setting('flux.ordinal', true), ''), '0')::integer;
$$;

comment on function flux.ordinal() is $$
The place in its batch of the action that runs, from 1; 0 outside of flux.dispatch.
$$;
