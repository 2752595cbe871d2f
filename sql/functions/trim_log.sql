create or replace function flux.trim_log(before timestamptz)
returns bigint
language plpgsql
volatile
security definer
set search_path to ''
set timezone to 'UTC'
as $$
declare
  _partition record;
  _dropped bigint := 0;
begin
  for _partition in
    select c.relname
    from pg_catalog.pg_inherits i
    join pg_catalog.pg_class c on c.oid = i.inhrelid
    where i.inhparent = 'flux.action'::regclass
      and c.relname ~ '^action_\d{4}_\d{2}$'
      and to_timestamp(substr(c.relname, 8), 'YYYY_MM') + interval '1 month' <= trim_log.before
    order by c.relname
  loop
    execute format(
      'update flux.origin o set seq = a.seq, at = a.at, link = a.link'
        ' from (select a.seq, a.at, a.link from flux.%I a order by a.seq desc limit 1) as a',
      _partition.relname
    );
    execute format('drop table flux.%I', _partition.relname);
    _dropped := _dropped + 1;
  end loop;
  delete from flux.foreign_write w using flux.origin o where w.seq < o.seq;
  return _dropped;
end;
$$;

comment on function flux.trim_log(timestamptz) is $$
Drop the months of the action log that ended before a time; returns how many.

An action that is sent again after its outcome was dropped is answered outcome_expired, and never run again.
$$;
