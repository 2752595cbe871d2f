create schema chat;

create table chat.room (
  room text primary key constraint a_room_has_a_name check (length(room) between 1 and 80),
  title text not null constraint a_title_has_at_most_120_characters check (length(title) between 1 and 120),
  created_by text not null,
  created_at timestamptz not null
);

create table chat.member (
  room text not null references chat.room on delete cascade,
  actor text not null,
  name text not null constraint a_name_has_at_most_80_characters check (length(name) between 1 and 80),
  joined_at timestamptz not null,
  primary key (room, actor)
);

create table chat.message (
  id uuid primary key,
  room text not null references chat.room on delete cascade,
  author text not null,
  body text not null,
  sent_at timestamptz not null
);

create index message_newest on chat.message (room, sent_at desc, id desc);

-- Actions and stores run as this role.
grant usage on schema chat to fluxwire_application;
grant select, insert, update on chat.room to fluxwire_application;
grant select, insert, update, delete on chat.member to fluxwire_application;
grant select, insert on chat.message to fluxwire_application;
