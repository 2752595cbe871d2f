create or replace function flux.begin_epoch()
returns void
language plpgsql
volatile
set search_path to ''
as $$
begin
  update flux.epoch set epoch = left(replace(gen_random_uuid()::text, '-', ''), 8);
  perform flux.touch_all();
end;
$$;

comment on function flux.begin_epoch() is $$
Number versions anew: whoever holds a store, or comes back with one, starts from a snapshot. A deploy does it when
stores go by other keys than before, the multiplexer when rows came or went with a partition.
$$;
