create or replace function flux.uuid()
returns uuid
language sql
volatile
as $$
  -- RFC 9562, version 7: 48 bits of time, the version, random bits, the variant, random bits.
  -- Close in time is close in an index.
  select (
    encode(substr(int8send(floor(date_part('epoch', flux.now()) * 1000)::bigint), 3), 'hex')
    || overlay(overlay(substr(encode(flux.draw(), 'hex'), 1, 20) placing '7' from 1) placing '8' from 5)
  )::uuid;
$$;

comment on function flux.uuid() is $$
A new uuid (version 7), the same again on replay.
$$;
