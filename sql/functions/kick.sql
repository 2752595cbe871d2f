create or replace function flux.kick(actor text, reason text default '')
returns void
language plpgsql
volatile
security definer
set search_path to ''
as $$
begin
  insert into flux.patch (tx, rings, key, from_version, to_version, kick)
  values (pg_current_xact_id(), flux.ordinal() = 0, kick.actor, 0, 0, coalesce(kick.reason, ''));
  if flux.ordinal() = 0 then
    perform pg_notify('flux', pg_current_xact_id()::text);
  end if;
end;
$$;

comment on function flux.kick(text, text) is $$
Close all connections of an actor when this transaction commits; the reason is shown to his clients.

They stay away until their user asks for a connection again. Nothing keeps him from that: take his rights or his token,
too. Raises if actor is null.
$$;
