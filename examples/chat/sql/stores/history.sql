create or replace function stores.history(room text, sent_at timestamptz, id uuid, later boolean default false)
returns jsonb
language sql
stable
as $$
  with page as (
    (
      select m.id, m.author, m.body, m.sent_at
      from chat.message m
      where not history.later and m.room = history.room and (m.sent_at, m.id) < (history.sent_at, history.id)
      order by m.sent_at desc, m.id desc
      limit 101
    )
    union all
    (
      select m.id, m.author, m.body, m.sent_at
      from chat.message m
      where history.later and m.room = history.room and (m.sent_at, m.id) >= (history.sent_at, history.id)
      order by m.sent_at, m.id
      limit 101
    )
  ), numbered as (
    select
      p.id, jsonb_build_object('id', p.id, 'author', p.author, 'body', p.body, 'sent_at', p.sent_at) as message,
      row_number() over (
        order by
          case when history.later then p.sent_at end, case when history.later then p.id end, p.sent_at desc, p.id desc
      ) as place
    from page p
  )
  select jsonb_build_object(
    'messages', coalesce(jsonb_object_agg(n.id, n.message) filter (where n.place <= 100), '{}'),
    'more', count(*) > 100
  )
  from numbered n;
$$;

comment on function stores.history(text, timestamptz, uuid, boolean) is $$
A page of a room's messages: {"messages": {"<id>": {...}}, "more": ...}, the 100 sent before the message of that time
and id, or the 100 from it on. More says whether there are others beyond them.

Nothing feeds it: messages never change.

@document { messages: Record<string, { id: string; author: string; body: string; sent_at: string }>; more: boolean }
$$;
