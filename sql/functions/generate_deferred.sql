create or replace function flux.generate_deferred()
returns void
language plpgsql
volatile
set search_path to ''
as $$
begin
  execute format(
    'create or replace function flux.deferred() returns text language sql stable as %L',
    format(
      'select %L',
      (
        select string_agg(format('%I.%I', n.nspname, c.conname), ', ' order by n.nspname, c.conname)
        from pg_catalog.pg_constraint c
        join pg_catalog.pg_namespace n on n.oid = c.connamespace
        where c.condeferred and n.nspname <> 'flux'
      )
    )
  );
  comment on function flux.deferred() is $comment$
The application's constraints that wait for the commit, comma-separated; null if there are none. Made anew by
flux.refresh for the constraints there are: to look for them costs each batch more the more tables there are.
$comment$;
end;
$$;

comment on function flux.generate_deferred() is $$
Generate flux.deferred for the constraints that there are.
$$;
