create or replace function flux.latest()
returns timestamptz
language plpgsql
stable
-- Plans are kept, and one made when the log was empty reads all of it when it is not.
set enable_seqscan to off
as $$
begin
  return (select a.at from flux.action a order by a.seq desc limit 1);
end;
$$;

comment on function flux.latest() is $$
The time that the last action in the log saw; null when there is none.
$$;
