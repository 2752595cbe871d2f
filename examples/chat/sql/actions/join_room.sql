create or replace function actions.join_room(room text, name text default null)
returns void
language plpgsql
volatile
as $$
begin
  if not exists (select from chat.room r where r.room = join_room.room) then
    perform flux.reject('no_such_room', 'There is no such room.');
  end if;
  insert into chat.member (room, actor, name, joined_at)
  values (join_room.room, flux.actor(), coalesce(join_room.name, flux.actor()), flux.now())
  on conflict on constraint member_pkey do nothing;
end;
$$;

comment on function actions.join_room(text, text) is $$
Become a member of a room. Refused with no_such_room.
$$;
