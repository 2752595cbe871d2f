create or replace function flux.generate_deployment()
returns void
language plpgsql
volatile
set search_path to ''
as $$
begin
  -- Stable, and so taken into the plans of those who call it, where a new one is noticed; a call it never costs.
  execute format(
    'create or replace function flux.deployment() returns integer language sql stable as %L',
    format('select %s', (select coalesce(max(d.id), 0) from flux.deployment d))
  );
  comment on function flux.deployment() is $comment$
The number of the deployment that the functions are of (flux.deployment). Made anew by flux.refresh.
$comment$;
end;
$$;

comment on function flux.generate_deployment() is $$
Generate flux.deployment for the newest deployment.
$$;
