create or replace function flux.record_foreign()
returns void
language plpgsql
volatile
set search_path to ''
-- Plans are kept, and one made when the table was empty reads all of it when it is not.
set enable_seqscan to off
as $$
begin
  with written as (
    select w.source, c.item, array_agg(distinct c.key) as stores, count(*) over (partition by w.source) as rows
    from flux.change c
    left join flux.watch w on w.id = abs(c.watch)
    where c.tx = pg_current_xact_id()
    group by w.source, c.item
  )
  insert into flux.foreign_write (seq, source, item, rows, stores)
  select l.seq, f.source, f.item, f.rows, f.stores
  from (
    select w.source, w.item, 1 as rows, w.stores
    from written w
    where w.rows <= 1000
    union all
    select w.source, null, count(distinct w.item), (array_agg(distinct s.key))[:1000]
    from written w cross join unnest(w.stores) as s (key)
    where w.rows > 1000
    group by w.source
  ) as f
  cross join flux.latest() as l;
end;
$$;

comment on function flux.record_foreign() is $$
Write down who has written which rows of watched tables past the actions, and which stores that moved.
$$;
