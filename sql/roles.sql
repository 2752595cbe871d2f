-- Who may do what (docs/sql.md, Rights). Applied first on every deploy.
--
-- fluxwire_multiplexer   logs in for the multiplexer: the engine's tables, and nothing of the application
-- fluxwire_application   actions and stores run as it; the application grants it what they need

do $$
declare
  _role text;
begin
  foreach _role in array array['fluxwire_multiplexer', 'fluxwire_application'] loop
    if not exists (select from pg_catalog.pg_roles where rolname = _role) then
      begin
        execute format('create role %I', _role);
      exception
        -- Roles belong to the whole cluster, and another database's deploy was quicker.
        when duplicate_object or unique_violation then
          null;
      end;
    end if;
  end loop;
  if not (select rolcanlogin from pg_catalog.pg_roles where rolname = 'fluxwire_multiplexer') then
    alter role fluxwire_multiplexer login noinherit;
  end if;
  foreach _role in array array['fluxwire_multiplexer', current_user::text] loop
    if not pg_has_role(_role, 'fluxwire_application', 'member') then
      execute format('grant fluxwire_application to %I', _role);
    end if;
  end loop;
end;
$$;

grant usage on schema flux to public;
grant usage on schema actions, stores to fluxwire_application;
