create or replace function flux.members(root regclass)
returns oid[]
language sql
stable
set search_path to ''
as $$
  select array(select l.member::oid from flux.lineage(members.root) as l (member) order by 1);
$$;

comment on function flux.members(regclass) is $$
A table and all its partitions and inheriting children, as they are compared.
$$;
