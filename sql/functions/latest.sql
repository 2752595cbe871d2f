create or replace function flux.latest(out seq bigint, out at timestamptz, out link bytea)
language plpgsql
stable
-- Plans are kept, and one made when the log was empty reads all of it when it is not.
set enable_seqscan to off
as $$
begin
  select a.seq, a.at, a.link into latest.seq, latest.at, latest.link from flux.action a order by a.seq desc limit 1;
  if not found then
    select o.seq, o.at, o.link into latest.seq, latest.at, latest.link from flux.origin o;
  end if;
end;
$$;

comment on function flux.latest() is $$
The newest action of the log, or what stands before its first: number, the time that it saw (null when there was none)
and link.
$$;
