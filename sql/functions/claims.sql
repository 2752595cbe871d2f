create or replace function flux.claims()
returns jsonb
language sql
stable
as $$
  select coalesce(nullif(current_setting('flux.claims', true), ''), '{}')::jsonb;
$$;

comment on function flux.claims() is $$
The verified claims of the actor's token, an object; empty outside of actions.
$$;
