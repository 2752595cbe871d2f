create or replace function flux.bound_key(store text, params jsonb)
returns text
language plpgsql
stable
set search_path to ''
as $$
declare
  _actor text := bound_key.params ->> '@actor';
  _canonical jsonb;
  _code text;
  _message text;
begin
  select b.canonical, b.code, b.message
  into _canonical, _code, _message
  from flux.bind(bound_key.store, bound_key.params - '@actor') as b;
  if _code is not null then
    raise exception using
      errcode = case _code when 'unknown_store' then 'FX010' else 'FX011' end,
      message = _message;
  end if;
  if _actor is not null then
    _canonical := _canonical || jsonb_build_object('@actor', _actor);
  end if;
  return flux.key(bound_key.store, _canonical);
end;
$$;

comment on function flux.bound_key(text, jsonb) is $$
The key of a store by its name and parameters; of a private one, with its actor as the parameter "@actor".

Raises FX010 for an unknown store and FX011 for parameters that are not its own.
$$;
