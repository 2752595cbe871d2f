create or replace function flux.put_back()
returns void
language plpgsql
volatile
as $$
declare
  _ignored text;
begin
  -- Settings that a function's own SET clause guards can still be changed for the whole session by a plain SET. The
  -- session's defaults are the ones that the engine needs: the multiplexer connects with them.
  reset all;
  -- An assignment is evaluated at once; a perform would be a query.
  _ignored := set_config('role', 'none', true);
  _ignored := pg_advisory_unlock_all()::text;
  if pg_my_temp_schema() <> 0 then
    execute 'discard temp';
  end if;
end;
$$;

comment on function flux.put_back() is $$
Put back whatever an action can have left behind in the session: role, settings, session locks, temporary tables.
$$;
