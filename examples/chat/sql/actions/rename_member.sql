create or replace function actions.rename_member(room text, name text)
returns void
language plpgsql
volatile
as $$
begin
  update chat.member m set name = rename_member.name where m.room = rename_member.room and m.actor = flux.actor();
  if not found then
    perform flux.reject('not_a_member', 'Join the room before you take a name in it.');
  end if;
end;
$$;

comment on function actions.rename_member(text, text) is $$
Go by another name in a room. Refused with not_a_member.
$$;
