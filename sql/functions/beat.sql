create or replace function flux.beat(term bigint)
returns boolean
language plpgsql
volatile
set search_path to ''
as $$
begin
  update flux.heartbeat h set beat_at = clock_timestamp() where h.term = beat.term;
  if not found then
    -- A crash of the database emptied the table.
    insert into flux.heartbeat (term, beat_at)
    select t.term, clock_timestamp() from flux.term t where t.term = beat.term;
  end if;
  return found;
end;
$$;

comment on function flux.beat(bigint) is $$
A leader's sign of life; false when its term has ended.
$$;
