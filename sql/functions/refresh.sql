create or replace function flux.refresh()
returns void
language plpgsql
volatile
set search_path to ''
as $$
declare
  _function record;
  _bad text;
  _bound text;
  _anew boolean := false;
begin
  select string_agg(n.nspname || '.' || p.proname, ', ')
  into _bad
  from (select p.pronamespace, p.proname from pg_catalog.pg_proc p group by 1, 2 having count(*) > 1) as p
  join pg_catalog.pg_namespace n on n.oid = p.pronamespace
  where n.nspname in ('actions', 'stores');
  if _bad is not null then
    raise exception using
      errcode = 'FX016',
      message = format('defined more than once: %s', _bad),
      hint = 'A client names an action and its arguments, not their types: drop all but one.';
  end if;
  select string_agg(p.oid::regprocedure::text, ', ')
  into _bad
  from pg_catalog.pg_proc p
  where p.pronamespace in ('actions'::regnamespace, 'stores'::regnamespace) and length(p.proname) > 50;
  if _bad is not null then
    raise exception using errcode = 'FX016', message = format('names have at most 50 characters: %s', _bad);
  end if;

  for _function in
    select p.oid::regprocedure as name, format('flux.%I(jsonb)', 'bind_' || p.proname) as binding
    from pg_catalog.pg_proc p
    where p.pronamespace in ('actions'::regnamespace, 'stores'::regnamespace) and p.prokind = 'f'
  loop
    select p.prosrc into _bound from pg_catalog.pg_proc p where p.oid = to_regprocedure(_function.binding);
    perform flux.generate_call(_function.name);
    _anew := _anew or exists (
      select from pg_catalog.pg_proc p where p.oid = to_regprocedure(_function.binding) and p.prosrc <> _bound
    );
  end loop;
  if _anew then
    -- Other arguments make other keys, whose versions have nothing to do with those of the keys before.
    perform flux.begin_epoch(), flux.touch_all();
  end if;

  -- One function that calls any action by its name: its branches are expressions, where a statement made of the name
  -- would have to be planned each time.
  execute format(
    'create or replace function flux.call_action(name text, params jsonb) returns jsonb language plpgsql as %L',
    format(
      E'begin\n  %s\n    perform flux.reject(\n'
        '      ''unknown_action'', format(''There is no action "%%s".'', left(name, 51))\n'
        '    );\n    return null;%s\nend',
      coalesce(
        (
          select 'case name' || string_agg(
            format(E'\n    when %L then return flux.%I(params);', p.proname, 'action_' || p.proname),
            '' order by p.proname
          ) || E'\n    else'
          from pg_catalog.pg_proc p
          where p.pronamespace = 'actions'::regnamespace and p.prokind = 'f'
        ),
        ''
      ),
      case when exists (
        select from pg_catalog.pg_proc p where p.pronamespace = 'actions'::regnamespace and p.prokind = 'f'
      ) then E'\n  end case;' end
    )
  );

  comment on function flux.call_action(text, jsonb) is $comment$
Call an action by its name, with its arguments as one object. Made anew by flux.refresh for the actions there are.

Raises FX001 for an unknown action and for arguments that are not its own.
$comment$;

  perform flux.generate_positions(), flux.generate_deployment(), flux.generate_deferred();

  -- Partitions may have come or gone since, and columns may have another type.
  perform flux.generate_watch(w.id) from flux.watch w order by w.id;

  for _function in
    select g.oid::regprocedure as name
    from pg_catalog.pg_proc g
    where g.pronamespace = 'flux'::regnamespace
      and g.proname ~ '^(action|bind|store)_'
      and not exists (
        select from pg_catalog.pg_proc p
        where p.pronamespace = case when g.proname ~ '^action_' then 'actions' else 'stores' end::regnamespace
          and p.proname = regexp_replace(g.proname, '^[a-z]+_', '')
      )
  loop
    execute format('drop function %s', _function.name);
  end loop;
end;
$$;

comment on function flux.refresh() is $$
Take notice of all actions, stores and watched tables as they are now; a deploy ends with it. If rows came or went with
a partition or child of a watched table, or if stores go by other keys, a new epoch begins.

Raises FX016 when a name is defined more than once or is too long, FX015 when an argument has no name.
$$;
