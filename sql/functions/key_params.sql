create or replace function flux.key_params(key text)
returns jsonb
language sql
immutable
as $$
  select substr(key, strpos(key, '{'))::jsonb;
$$;

comment on function flux.key_params(text) is $$
The canonical parameters in a store key.
$$;
