create or replace function flux.rung()
returns bigint[]
language plpgsql
stable
-- Plans are kept, and one made when the table was empty reads all of it when it is not.
set enable_seqscan to off
-- For a few rows a bitmap is one more thing to make ready.
set enable_bitmapscan to off
as $$
begin
  return array(select distinct p.tx from flux.patch p where p.rings order by p.tx)::text[]::bigint[];
end;
$$;

comment on function flux.rung() is $$
The committed transactions that ring a doorbell and whose patches have not been forgotten, in the order they began.
$$;
