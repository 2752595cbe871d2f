"""A chat on websockets and asyncpg, several processes of which hear of messages from Postgres.

``python -m bench.peers.chat.broadcasting PORT``; the database comes by PGHOST, PGUSER and PGDATABASE.
A message is kept and announced by one statement, and broadcast to its room by whoever hears of it.
"""

import asyncio
import json
import sys
import uuid
from collections import defaultdict
from urllib.parse import parse_qs, urlsplit

import asyncpg  # noqa: TID251 -- this chat has no multiplexer
import uvloop
from websockets.asyncio.server import ServerConnection, broadcast, serve

INSERT = """
with message as (
  insert into chat.message (id, room, author, body, sent_at)
  select $1, m.room, m.actor, $4, clock_timestamp() from chat.member m where m.room = $2 and m.actor = $3
  returning id, room, author, body, sent_at
)
select id, pg_notify('message', to_jsonb(message)::text) from message
"""

rooms: defaultdict[str, set[ServerConnection]] = defaultdict(set)


async def run(port: int) -> None:
    """Serve until killed."""
    async with asyncpg.create_pool(min_size=10, max_size=10) as pool:
        listener = await asyncpg.connect()
        await listener.add_listener("message", hear)

        async def chat(client: ServerConnection) -> None:
            assert client.request is not None
            asked = parse_qs(urlsplit(client.request.path).query)
            (room,), (actor,) = asked["room"], asked["actor"]
            members = rooms[room]
            members.add(client)
            try:
                await client.send('{"type":"joined"}')
                async for data in client:
                    asked = json.loads(data)
                    kept = await pool.fetchval(INSERT, uuid.uuid4(), room, actor, asked["body"])
                    answer = {"type": "posted" if kept else "refused", "number": asked["number"], "id": str(kept)}
                    await client.send(json.dumps(answer))
            finally:
                members.discard(client)

        async with serve(chat, "127.0.0.1", port, backlog=4096, compression=None):
            print("ready", flush=True)
            await asyncio.get_running_loop().create_future()


def hear(_connection: object, _pid: int, _channel: str, text: object) -> None:
    """Say a message to everybody in its room."""
    assert isinstance(text, str)
    broadcast(rooms[json.loads(text)["room"]], f'{{"type":"message","message":{text}}}')


if __name__ == "__main__":
    uvloop.run(run(int(sys.argv[1])))
