create or replace function flux.touch_all()
returns void
language plpgsql
volatile
security definer
set search_path to ''
as $$
begin
  insert into flux.unsettled as u (tx, everything)
  values (pg_current_xact_id(), true)
  on conflict on constraint unsettled_pkey do update set everything = true;
end;
$$;

comment on function flux.touch_all() is $$
Say that any store may render otherwise, and be read by others: the commit raises the version of every store there is,
and whoever holds one is asked for anew and told the difference. A deploy does it.
$$;
