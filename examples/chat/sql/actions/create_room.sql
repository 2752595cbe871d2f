create or replace function actions.create_room(room text, title text default null)
returns jsonb
language plpgsql
volatile
as $$
begin
  insert into chat.room (room, title, created_by, created_at)
  values (create_room.room, coalesce(create_room.title, create_room.room), flux.actor(), flux.now())
  on conflict on constraint room_pkey do nothing;
  return jsonb_build_object('room', create_room.room, 'created', found);
end;
$$;

comment on function actions.create_room(text, text) is $$
Open a room. A room that is there already stays as it is.

@reply { room: string; created: boolean }
$$;
