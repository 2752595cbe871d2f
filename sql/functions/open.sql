create or replace function flux.open(
  name text,
  params text,
  actor text,
  claims text,
  out key text,
  out shared boolean,
  out code text,
  out message text
)
language plpgsql
volatile
set search_path to ''
set timezone to 'UTC'
as $$
declare
  _declared flux.declared_store;
  _canonical jsonb;
  _permitted boolean;
begin
  begin
    select b.canonical, b.code, b.message
    into _canonical, open.code, open.message
    from flux.bind(open.name, open.params::jsonb) as b;
  exception
    when data_exception or statement_too_complex then
      code := 'invalid_argument';
      message := 'Parameters are not JSON that Postgres accepts.';
  end;
  if code is null and octet_length(flux.key(open.name, _canonical)) > 2000 - octet_length(open.actor) - 20 then
    code := 'invalid_argument';
    message := 'Parameters are too long.';
  end if;
  if code is not null then
    return;
  end if;

  select d.* into _declared from flux.declared_store d where d.name = open.name;
  -- Without a token there is nobody to have a document of his own.
  _permitted := found and not (_declared.private and open.actor = '');
  if _permitted and _declared.permit is not null then
    begin
      perform
        set_config('flux.actor', open.actor, true),
        set_config('flux.claims', open.claims, true),
        set_config('role', 'fluxwire_application', true);
      execute format('select %s($1, $2)', _declared.permit) into _permitted using open.actor, _canonical;
    exception
      -- A permission function that breaks says no, to this actor alone.
      when others then
        raise warning 'flux: permission function % of store %: % %', _declared.permit, open.name, sqlstate, sqlerrm;
        _permitted := false;
    end;
    perform set_config('flux.actor', '', true), set_config('flux.claims', '', true), set_config('role', 'none', true);
  end if;
  if _permitted is not true then
    code := 'forbidden';
    message := 'You may not read this store.';
    return;
  end if;

  if _declared.private then
    _canonical := _canonical || jsonb_build_object('@actor', open.actor);
  end if;
  key := flux.key(open.name, _canonical);
  shared := _declared.permit is null and not _declared.private;
end;
$$;

comment on function flux.open(text, text, text, text) is $$
The key of a store for an actor who may read it, or the code and message of why not.

`params` is JSON text as a client wrote it; who has no token has the empty name. `shared`: key and verdict hold for
every actor.
$$;
