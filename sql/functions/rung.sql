create or replace function flux.rung()
returns bigint[]
language plpgsql
stable
-- Plans are kept, and one made when the table was empty reads all of it when it is not.
set enable_seqscan to off
as $$
begin
  return array(select distinct p.tx::text::bigint from flux.patch p where p.rings order by 1);
end;
$$;

comment on function flux.rung() is $$
The committed transactions that ring a doorbell and whose patches have not been forgotten, in the order they began.
$$;
