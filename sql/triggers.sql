-- Triggers on the engine's own tables: applied on every deploy, after the functions.

do $$
begin
  if not exists (
    select from pg_catalog.pg_trigger t
    where t.tgrelid = 'flux.unsettled'::regclass and t.tgname = 'settle_at_commit'
  ) then
    create constraint trigger settle_at_commit
    after insert on flux.unsettled
    deferrable initially deferred
    for each row execute function flux.settle_at_commit();
    alter table flux.unsettled enable always trigger settle_at_commit;
  end if;
end;
$$;
