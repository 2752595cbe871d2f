create or replace function flux.random()
returns double precision
language sql
volatile
as $$
  -- 52 bits: every value is exact and below 1.
  select ('x' || substr(encode(flux.draw(), 'hex'), 1, 13))::bit(52)::bigint / 4503599627370496.0::double precision;
$$;

comment on function flux.random() is $$
A random number, 0 <= x < 1, the same again on replay.
$$;
