create or replace function flux.moved_rows(before oid[], after oid[])
returns boolean
language plpgsql
stable
set search_path to ''
as $$
declare
  _member regclass;
  _has_rows boolean;
begin
  if not moved_rows.before <@ moved_rows.after then
    return true;
  end if;
  for _member in
    select m.id::regclass from unnest(moved_rows.after) as m (id) where m.id <> all (moved_rows.before)
  loop
    execute format('select exists (select from only %s)', _member) into _has_rows;
    if _has_rows then
      return true;
    end if;
  end loop;
  return false;
end;
$$;

comment on function flux.moved_rows(oid[], oid[]) is $$
Whether rows came or went with the tables by which two flux.members differ; with one that is gone there may have been
some.
$$;
