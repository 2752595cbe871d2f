create or replace function flux.touched(tx xid8, out actions integer[], out keys text[])
language plpgsql
stable
-- Plans are kept, and one made when the table was empty reads all of it when it is not.
set enable_seqscan to off
as $$
begin
  select array_agg(c.action), array_agg(c.key)
  into touched.actions, touched.keys
  from (select distinct c.action, c.key from flux.change c where c.tx = touched.tx and c.watch >= 0) as c;
end;
$$;

comment on function flux.touched(xid8) is $$
Which actions of a transaction touched which stores, by their places in the batch; two parallel arrays. Settling forgets
it.
$$;
