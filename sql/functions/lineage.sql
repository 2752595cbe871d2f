create or replace function flux.lineage(root regclass)
returns setof regclass
language sql
stable
set search_path to ''
as $$
  with recursive member as (
    select lineage.root::oid as id
    union
    select i.inhrelid from member m join pg_catalog.pg_inherits i on i.inhparent = m.id
  )
  select m.id::regclass
  from member m
  join pg_catalog.pg_class c on c.oid = m.id
  where c.relkind in ('r', 'p');
$$;

comment on function flux.lineage(regclass) is $$
A table and all its partitions and inheriting children, at any depth.
$$;
