create or replace function flux.call(
  schema_name text,
  function_name text,
  given text[],
  out statement text,
  out canonical text,
  out code text,
  out message text
)
language plpgsql
stable
set search_path to ''
as $$
declare
  _kind text := rtrim(call.schema_name, 's');
  _function oid;
  _returns oid;
  _count integer;
  _argument record;
  _record text[] := '{}';
  _named text[] := '{}';
  _pairs text[] := '{}';
  _known text[] := '{}';
  _value text;
begin
  select max(p.oid), max(p.prorettype), count(*)
  into _function, _returns, _count
  from pg_catalog.pg_proc p
  join pg_catalog.pg_namespace n on n.oid = p.pronamespace
  where n.nspname = call.schema_name and p.proname = call.function_name and p.prokind = 'f';

  if _count = 0 then
    code := 'unknown_' || _kind;
    message := format('There is no %s "%s".', _kind, call.function_name);
    return;
  elsif _count > 1 then
    code := 'failed';
    message := format('The %s "%s" is defined more than once.', _kind, call.function_name);
    return;
  end if;

  for _argument in
    select
      a.name,
      format_type(a.type, null) as type,
      pg_get_function_arg_default(_function, a.position::integer) as default_value
    from pg_catalog.pg_proc p
    cross join lateral unnest(
      p.proargnames,
      coalesce(p.proallargtypes, p.proargtypes::oid[]),
      coalesce(p.proargmodes, array_fill('i'::"char", array[p.pronargs]))
    ) with ordinality as a (name, type, mode, position)
    where p.oid = _function and a.mode in ('i', 'b')
    order by a.position
  loop
    _known := _known || _argument.name;
    if _argument.name = any (call.given) then
      _record := _record || format('%I %s', _argument.name, _argument.type);
      _named := _named || format('%1$I => p.%1$I', _argument.name);
      _value := format('p.%I', _argument.name);
    elsif _argument.default_value is not null then
      _value := format('(%s)::%s', _argument.default_value, _argument.type);
    else
      code := 'missing_argument';
      message := format('The %s "%s" needs an argument "%s".', _kind, call.function_name, _argument.name);
      return;
    end if;
    -- 1.0 and 1 are one number, so they must be one text.
    _pairs := _pairs || format(
      case when _argument.type = 'numeric' then '%L, to_jsonb(trim_scale(%s))' else '%L, to_jsonb(%s)' end,
      _argument.name, _value
    );
  end loop;

  select format('The %s "%s" has no argument "%s".', _kind, call.function_name, g)
  into message
  from unnest(call.given) as g
  where g <> all (_known)
  limit 1;
  if message is not null then
    code := 'unknown_argument';
    return;
  end if;

  -- The function stands in "from", so that one row comes back whatever it returns: void, a scalar, a row, several.
  statement := format(
    'select %s from %s%I.%I(%s) as result limit 1',
    case when _returns = 'void'::regtype then 'null::jsonb' else 'to_jsonb(result)' end,
    case when _record <> '{}' then format('jsonb_to_record($1) as p(%s) cross join lateral ', array_to_string(_record, ', ')) end,
    call.schema_name, call.function_name, array_to_string(_named, ', ')
  );
  canonical := format(
    'select jsonb_build_object(%s)%s',
    array_to_string(_pairs, ', '),
    case when _record <> '{}' then format(' from jsonb_to_record($1) as p(%s)', array_to_string(_record, ', ')) end
  );
end;
$$;

comment on function flux.call(text, text, text[]) is $$
How to call an action or a store with these named arguments.

Returns two statements that take the arguments as one jsonb object in $1: `statement` calls the function and gives one jsonb,
`canonical` gives all its arguments as an object, cast to their types and with defaults filled in. Or the code and message of what is wrong.
$$;
