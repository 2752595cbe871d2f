create or replace function actions.leave_room(room text)
returns void
language plpgsql
volatile
as $$
begin
  delete from chat.member m where m.room = leave_room.room and m.actor = flux.actor();
end;
$$;

comment on function actions.leave_room(text) is $$
Stop being a member of a room.
$$;
