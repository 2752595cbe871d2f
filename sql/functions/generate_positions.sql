create or replace function flux.generate_positions()
returns void
language plpgsql
volatile
set search_path to ''
as $$
declare
  _each text;
begin
  select string_agg(
    format(
      E'\n    || jsonb_build_object(%1$L, (select jsonb_build_array(s.last_value, s.is_called) from %1$s as s))',
      format('%I.%I', n.nspname, c.relname)
    ),
    '' order by n.nspname, c.relname
  )
  into _each
  from pg_catalog.pg_class c
  join pg_catalog.pg_namespace n on n.oid = c.relnamespace
  where c.relkind = 'S' and c.relpersistence <> 't' and n.nspname not in ('flux', 'information_schema')
    and n.nspname !~ '^pg_';

  if _each is null then
    -- Becomes part of what calls it, and costs nothing.
    create or replace function flux.positions() returns jsonb language sql stable as 'select null::jsonb';
  else
    -- As its owner, who may look at all of them.
    execute format(
      'create or replace function flux.positions() returns jsonb language plpgsql volatile'
        ' security definer set search_path to pg_catalog as %L',
      format(E'begin\n  return ''{}''::jsonb%s;\nend', _each)
    );
  end if;
  comment on function flux.positions() is $comment$
Where the application's sequences stand: last value and whether it was drawn, by name; null if there are none. Made anew
by flux.refresh for the sequences there are.
$comment$;
end;
$$;

comment on function flux.generate_positions() is $$
Generate flux.positions for the sequences that there are.
$$;
