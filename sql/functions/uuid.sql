create or replace function flux.uuid()
returns uuid
language plpgsql
volatile
as $$
declare
  _drawn constant bytea := flux.draw();
  _random constant text := encode(_drawn, 'hex');
  _milliseconds constant bigint := floor(extract(epoch from flux.now()) * 1000);
begin
  -- RFC 9562, version 7: 48 bits of time, then random; close in time is close in an index.
  return lpad(to_hex(_milliseconds), 12, '0') || '7' || substr(_random, 1, 3)
    || substr('89ab', 1 + get_byte(_drawn, 31) % 4, 1) || substr(_random, 4, 15);
end;
$$;

comment on function flux.uuid() is $$
A new uuid (version 7), the same again on replay.
$$;
