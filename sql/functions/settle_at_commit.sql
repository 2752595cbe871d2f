create or replace function flux.settle_at_commit()
returns trigger
language plpgsql
volatile
security definer
set search_path to ''
as $$
begin
  perform flux.settle();
  delete from flux.unsettled u where u.tx = new.tx;
  return null;
end;
$$;

comment on function flux.settle_at_commit() is $$
Deferred trigger of flux.unsettled: settles a transaction of a foreign writer.
$$;
