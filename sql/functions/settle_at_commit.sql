create or replace function flux.settle_at_commit()
returns trigger
language plpgsql
volatile
security definer
set search_path to ''
as $$
declare
  _everything boolean;
begin
  delete from flux.unsettled u where u.tx = new.tx returning u.everything into _everything;
  -- First: a transaction that holds the locks of keys must not wait for those who wait for them.
  if _everything then
    perform flux.raise_all();
  end if;
  perform flux.record_foreign(), flux.settle(rings => true);
  return null;
end;
$$;

comment on function flux.settle_at_commit() is $$
Deferred trigger of flux.unsettled: settles a transaction of a foreign writer.
$$;
