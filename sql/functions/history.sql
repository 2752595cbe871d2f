create or replace function flux.history()
returns text
language sql
volatile
set search_path to ''
as $$
  select format(
    '%s/%s/%s/%s',
    (select s.system_identifier from pg_catalog.pg_control_system() s),
    left(pg_walfile_name(pg_current_wal_insert_lsn()), 8),
    (select d.oid from pg_catalog.pg_database d where d.datname = current_database()),
    'flux.version'::regclass::oid
  );
$$;

comment on function flux.history() is $$
Which history of the database this is: another one after a failover, a recovery to a point in time, or a restore.
$$;
