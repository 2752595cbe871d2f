create or replace function flux.unsettled()
returns void
language plpgsql
volatile
security definer
set search_path to ''
as $$
begin
  -- flux.dispatch settles by itself, so that outcomes can name the versions.
  if flux.ordinal() = 0 then
    insert into flux.unsettled (tx) values (pg_current_xact_id()) on conflict do nothing;
  end if;
end;
$$;

comment on function flux.unsettled() is $$
Note that this transaction has changes to settle at its commit.
$$;
