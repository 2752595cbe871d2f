create or replace function flux.leader(
  out term bigint,
  out silence double precision
)
language sql
stable
set search_path to ''
as $$
  select t.term, coalesce(extract(epoch from clock_timestamp() - h.beat_at), 'infinity')
  from flux.term t
  left join flux.heartbeat h on h.term = t.term;
$$;

comment on function flux.leader() is $$
The current term, and for how many seconds its leader has given no sign of life.
$$;
