-- Who may read which store, and which tables feed it.

select flux.declare_store('rooms');
select flux.declare_store('room');
select flux.declare_store('history');

select flux.watch(
  store => 'rooms', path => '{rooms}', source => 'chat.room', match => '{}', key => 'room',
  columns => '{room, title, created_at}'
);

select flux.watch(
  store => 'room', path => '{room}', source => 'chat.room', match => '{"room": "room"}',
  columns => '{room, title, created_by, created_at}'
);

select flux.watch(
  store => 'room', path => '{members}', source => 'chat.member', match => '{"room": "room"}', key => 'actor',
  columns => '{actor, name, joined_at}'
);

select flux.watch(
  store => 'room', path => '{messages}', source => 'chat.message', match => '{"room": "room"}', key => 'id',
  columns => '{id, author, body, sent_at}', newest => 'sent_at', keep => 100
);
