create or replace function actions.post_message(room text, body text)
returns jsonb
language plpgsql
volatile
as $$
declare
  _id constant uuid := flux.uuid();
begin
  if length(post_message.body) > 4000 then
    perform flux.reject('too_long', 'A message has at most 4000 characters.');
  end if;
  if not exists (select from chat.member m where m.room = post_message.room and m.actor = flux.actor()) then
    perform flux.reject('not_a_member', 'Join the room before you write.');
  end if;
  insert into chat.message (id, room, author, body, sent_at)
  values (_id, post_message.room, flux.actor(), post_message.body, flux.now());
  return jsonb_build_object('id', _id);
end;
$$;

comment on function actions.post_message(text, text) is $$
Write a message into a room one is a member of. Refused with too_long or not_a_member.

@reply { id: string }
$$;
