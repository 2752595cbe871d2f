create or replace function flux.take_lead(seen_term bigint, leader text)
returns bigint
language plpgsql
volatile
set search_path to ''
as $$
declare
  _term bigint;
begin
  -- The backend of the old leader may hold the term for share in a batch that hangs: end it first.
  perform pg_terminate_backend(t.backend)
  from flux.term t
  join pg_catalog.pg_stat_activity a on a.pid = t.backend and a.application_name = 'fluxwire dispatch ' || t.leader
  where t.term = take_lead.seen_term;

  update flux.term as t
  set term = t.term + 1, leader = take_lead.leader, backend = null
  where t.term = take_lead.seen_term
  returning t.term into _term;
  if _term is not null then
    delete from flux.heartbeat;
    insert into flux.heartbeat (term, beat_at) values (_term, clock_timestamp());
    -- After a failover or a restore, versions that clients hold may be given out again for other contents.
    perform flux.begin_epoch() from flux.epoch e where e.history <> flux.history();
    -- What a lost leader left behind its successor tells; where that is much it compares versions instead.
    if (select count(*) from (select from flux.patch limit 10001) as p) > 10000 then
      delete from flux.patch p where p.tx < pg_snapshot_xmin(pg_current_snapshot()) and p.kick is null;
    end if;
  end if;
  return _term;
end;
$$;

comment on function flux.take_lead(bigint, text) is $$
Raise the term and lead it, if it is still the one seen; null when somebody else was quicker.

Begins a new epoch when the database has another history than at the last lead.
$$;
