create or replace function flux.actor()
returns text
language sql
stable
as $$
  select coalesce(nullif(current_setting('flux.actor', true), ''), flux.no_actor());
$$;

comment on function flux.actor() is $$
Who dispatched the action that runs, or for whom a private store is rendered.

Raises FX003 in shared stores and outside of Fluxwire.
$$;
