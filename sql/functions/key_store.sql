create or replace function flux.key_store(key text)
returns text
language sql
immutable
as $$
  select left(key, strpos(key, '{') - 1);
$$;

comment on function flux.key_store(text) is $$
The store's name in a store key.
$$;
