create or replace function flux.put_back()
returns void
language plpgsql
volatile
as $$
begin
  -- Settings that a function's own SET clause guards can still be changed for the whole session by a plain SET.
  execute 'reset all';
  perform
    set_config('role', 'none', true),
    set_config('search_path', '""', true),
    set_config('timezone', 'UTC', true),
    set_config('datestyle', 'ISO', true),
    set_config('extra_float_digits', '1', true),
    pg_advisory_unlock_all();
  if pg_my_temp_schema() <> 0 then
    execute 'discard temp';
  end if;
end;
$$;

comment on function flux.put_back() is $$
Put back whatever an action can have left behind in the session: role, settings, session locks, temporary tables.
$$;
