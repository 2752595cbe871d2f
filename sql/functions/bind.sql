create or replace function flux.bind(
  store text,
  params jsonb,
  out canonical jsonb,
  out code text,
  out message text
)
language plpgsql
stable
set search_path to ''
set timezone to 'UTC'
set datestyle to 'ISO'
set extra_float_digits to 1
as $$
declare
  _params jsonb := bind.params;
begin
  if jsonb_typeof(_params) is distinct from 'object' then
    code := 'invalid_argument';
    message := 'Parameters are a JSON object.';
    return;
  end if;

  if to_regprocedure(format('flux.%I(jsonb)', 'bind_' || left(bind.store, 51))) is null then
    code := 'unknown_store';
    message := format('There is no store "%s".', left(bind.store, 51));
    return;
  end if;

  -- An integer argument takes 1.0 as well.
  select coalesce(jsonb_object_agg(
    p.key,
    case jsonb_typeof(p.value) when 'number' then to_jsonb(trim_scale((p.value #>> '{}')::numeric)) else p.value end
  ), '{}')
  into _params
  from jsonb_each(_params) as p;

  begin
    execute format('select flux.%I($1)', 'bind_' || bind.store) into canonical using _params;
  exception
    when sqlstate 'FX001' then
      get stacked diagnostics code = pg_exception_detail, message = message_text;
    when data_exception or integrity_constraint_violation then
      code := 'invalid_argument';
      message := sqlerrm;
  end;
end;
$$;

comment on function flux.bind(text, jsonb) is $$
The parameters of a store after casts and defaults: what its key is made of. Or the code and message of what is wrong
with them.
$$;
