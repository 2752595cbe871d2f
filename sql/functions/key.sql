create or replace function flux.key(store text, params jsonb)
returns text
language sql
immutable
as $$
  select store || params::text;
$$;

comment on function flux.key(text, jsonb) is $$
The store key of a name and canonical parameters, as flux.bind makes them: `room{"room": "lobby"}`.

A private store's actor is the parameter "@actor". The text begins with the name and goes on with a JSON object:
flux.key_store and flux.key_params take it apart again.
$$;
