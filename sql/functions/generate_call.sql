create or replace function flux.generate_call(function regprocedure)
returns void
language plpgsql
volatile
set search_path to ''
as $$
declare
  _function pg_catalog.pg_proc;
  _schema text;
  _kind text;
  _argument record;
  _plain boolean;
  _all text[] := '{}';
  _needed text[] := '{}';
  _record text[] := '{}';
  _named text[] := '{}';
  _pairs text[] := '{}';
  _value text;
  _from text := '(select) as p';
  _check text;
  _call text;
begin
  select p.* into strict _function from pg_catalog.pg_proc p where p.oid = generate_call.function;
  _schema := _function.pronamespace::regnamespace::text;
  _kind := rtrim(_schema, 's');

  if _function.provariadic <> 0
    or (_function.pronargs > 0 and (_function.proargnames is null or '' = any (_function.proargnames)))
  then
    raise exception using
      errcode = 'FX015',
      message = format('%s: every argument needs a name, and none can be variadic', generate_call.function);
  end if;

  -- An action that takes scalars and returns one is called by an expression, which needs no executor.
  select _kind = 'action' and not _function.proretset and t.typtype <> 'c' and t.oid <> 'record'::regtype
    and not exists (
      select
      from unnest(_function.proargtypes::oid[]) as a (type)
      join pg_catalog.pg_type t on t.oid = a.type
      where t.typtype not in ('b', 'e', 'd') or t.typcategory = 'A' or t.typname ~ '^json'
    )
  into _plain
  from pg_catalog.pg_type t
  where t.oid = _function.prorettype;

  for _argument in
    select
      a.name,
      format_type(a.type, null) as type,
      pg_get_function_arg_default(_function.oid, a.position::integer) as default_value
    from unnest(
      _function.proargnames,
      coalesce(_function.proallargtypes, _function.proargtypes::oid[]),
      coalesce(_function.proargmodes, array_fill('i'::"char", array[_function.pronargs]))
    ) with ordinality as a (name, type, mode, position)
    where a.mode in ('i', 'b')
    order by a.position
  loop
    _all := _all || _argument.name;
    _record := _record || format('%I %s', _argument.name, _argument.type);
    if _plain then
      _value := format('(params ->> %L)::%s', _argument.name, _argument.type);
    else
      _value := format('p.%I', _argument.name);
    end if;
    if _argument.default_value is null then
      _needed := _needed || _argument.name;
    else
      -- Null is a value: it is not what was left out.
      _value := format(
        'case when params ? %L then %s else (%s)::%s end',
        _argument.name, _value, _argument.default_value, _argument.type
      );
    end if;
    _named := _named || format('%I => %s', _argument.name, _value);
    -- 1.0 and 1 are one number, so they must be one text.
    _pairs := _pairs || format(
      case when _argument.type = 'numeric' then '%L, to_jsonb(trim_scale(%s))' else '%L, to_jsonb(%s)' end,
      _argument.name, _value
    );
  end loop;

  if _record <> '{}' then
    _from := format('jsonb_to_record(params) as p(%s)', array_to_string(_record, ', '));
  end if;
  _check := format(
    $f$
  if params - %1$L::text[] <> '{}' then
    perform flux.reject('unknown_argument', format(
      'The %2$s "%3$s" has no argument "%%s".', (select k from jsonb_object_keys(params - %1$L::text[]) as k limit 1)
    ));
  elsif not params ?& %4$L::text[] then
    perform flux.reject('missing_argument', format(
      'The %2$s "%3$s" needs an argument "%%s".', (select n from unnest(%4$L::text[]) as n where not params ? n limit 1)
    ));
  end if;$f$,
    _all, _kind, _function.proname, _needed
  );
  if _plain and _function.prorettype = 'void'::regtype then
    _call := format('return to_jsonb(nullif(actions.%I(%%s)::text, ''''));', _function.proname);
  elsif _plain then
    _call := format('return to_jsonb(actions.%I(%%s));', _function.proname);
  else
    -- The function stands in "from", so that one row comes back whatever it returns: void, a scalar, a row, several.
    _call := format(
      'return (select %s from %s cross join lateral %I.%I(%%s) as result limit 1);',
      case when _function.prorettype = 'void'::regtype then 'null::jsonb' else 'to_jsonb(result)' end,
      _from, _schema, _function.proname
    );
  end if;

  if _kind = 'action' then
    execute format(
      'create or replace function flux.%I(params jsonb) returns jsonb language plpgsql as %L',
      'action_' || _function.proname,
      format(E'begin%s\n  %s\nend', _check, format(_call, array_to_string(_named, ', ')))
    );
  else
    execute format(
      'create or replace function flux.%I(params jsonb) returns jsonb language plpgsql stable as %L',
      'bind_' || _function.proname,
      format(
        E'begin%s\n  return (select jsonb_build_object(%s) from %s);\nend',
        _check, array_to_string(_pairs, ', '), _from
      )
    );
    execute format(
      'create or replace function flux.%I(params jsonb) returns jsonb language plpgsql stable as %L',
      'store_' || _function.proname,
      format(
        E'begin\n  %s\nend',
        format(_call, (select string_agg(format('%1$I => p.%1$I', a), ', ') from unnest(_all) as a))
      )
    );
  end if;
end;
$$;

comment on function flux.generate_call(regprocedure) is $$
Generate how an action or a store is called with one jsonb object of named arguments, as static SQL whose plan is kept.

For an action flux.action_<name>: checks, casts, defaults, the call. For a store flux.bind_<name>, the parameters after
casts and defaults, and flux.store_<name>, the call with these.
Raises FX015 for an argument without a name or a variadic one.
$$;
