create or replace function flux.begin_epoch()
returns void
language sql
volatile
set search_path to ''
as $$
  update flux.epoch set epoch = left(replace(gen_random_uuid()::text, '-', ''), 8), history = flux.history();
$$;

comment on function flux.begin_epoch() is $$
Number versions anew: whoever holds a store, or comes back with one, starts from a snapshot. So it is when stores go by
other keys than before, when rows came or went with a partition, and when the database has another history.
Who holds a store is told with flux.touch_all.
$$;
