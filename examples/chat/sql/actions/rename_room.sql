create or replace function actions.rename_room(room text, title text)
returns void
language plpgsql
volatile
as $$
begin
  if not exists (select from chat.member m where m.room = rename_room.room and m.actor = flux.actor()) then
    perform flux.reject('not_a_member', 'Join the room before you rename it.');
  end if;
  update chat.room r set title = rename_room.title where r.room = rename_room.room;
end;
$$;

comment on function actions.rename_room(text, text) is $$
Give a room another title. Refused with not_a_member.
$$;
