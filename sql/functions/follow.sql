create or replace function flux.follow()
returns text[]
language plpgsql
volatile
security definer
set search_path to ''
as $$
declare
  _watch record;
  _followed text[] := '{}';
begin
  for _watch in
    select w.id, w.source
    from flux.watch w
    where to_regclass(w.source) is not null and w.members is distinct from flux.members(to_regclass(w.source))
    order by w.id
  loop
    perform flux.generate_watch(_watch.id);
    _followed := _followed || _watch.source;
  end loop;
  return _followed;
end;
$$;

comment on function flux.follow() is $$
Take notice of partitions and children of watched tables that have come or gone: the multiplexer does it every few
seconds. Returns the tables they are of. If rows came or went with them, a new epoch begins.
$$;
