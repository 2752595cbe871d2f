create or replace function flux.declare_store(
  name text,
  permit text default null,
  private boolean default false
)
returns void
language plpgsql
volatile
set search_path to ''
as $$
declare
  _before flux.declared_store;
begin
  if not exists (
    select from pg_catalog.pg_proc p
    where p.pronamespace = 'stores'::regnamespace and p.proname = declare_store.name
  ) then
    raise exception using errcode = 'FX010', message = format('there is no function stores.%I', declare_store.name);
  end if;
  if declare_store.permit is not null then
    perform (declare_store.permit || '(text, jsonb)')::regprocedure;
  end if;
  select d.* into _before from flux.declared_store d where d.name = declare_store.name;
  insert into flux.declared_store as d (name, private, permit)
  values (declare_store.name, declare_store.private, declare_store.permit)
  on conflict on constraint declared_store_pkey do update set private = excluded.private, permit = excluded.permit;
  -- What was not declared was held by nobody.
  if _before.private <> declare_store.private then
    -- Its keys have the actor now, or no longer.
    perform flux.begin_epoch(), flux.touch_all();
  elsif _before.name is not null and _before.permit is distinct from declare_store.permit then
    perform flux.touch_all();
  end if;
end;
$$;

comment on function flux.declare_store(text, text, boolean) is $$
Let a store be read. Without a declaration nobody may read it.

`permit` names a function (actor text, params jsonb) returns boolean, which is asked for every actor; without one
everybody who is let in may read, and where guests may that is everybody: `permit` then hears of who has no token by an
empty name. A `private` store renders for the connection's actor, and each actor has a document of his own. Raises FX010
when there is no such store.
$$;
