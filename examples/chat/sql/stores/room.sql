create or replace function stores.room(room text)
returns jsonb
language sql
stable
as $$
  select '{}'::jsonb;
$$;

comment on function stores.room(text) is $$
One room: {"room": {...}, "members": {"<actor>": {...}}, "messages": {"<id>": {...}}} with its newest 100 messages.

All three come by the watches in declarations.sql; a room that does not exist has no "room".
$$;
