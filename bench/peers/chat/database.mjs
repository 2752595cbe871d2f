/**
 * The chat's messages in Postgres, for the peers that are written in JavaScript: a pool of connections, statements that
 * are prepared once, and one round trip a message, which ends when the message is committed.
 */
import { randomUUID } from 'node:crypto';
import pg from 'pg';

// As many at a time as two cores can use; the rest waits here, where waiting costs nothing.
const pool = new pg.Pool({ max: 10 });

const INSERT = `
  insert into chat.message (id, room, author, body, sent_at)
  select $1, m.room, m.actor, $4, clock_timestamp() from chat.member m where m.room = $2 and m.actor = $3
  returning id, room, author, body, sent_at`;

const statements = {
  /** Only to be kept: who calls says it further. */
  post: { name: 'post', text: INSERT },
  /** To be kept and, by its commit, said to all who listen: Postgres hands out notifications in the order of commits. */
  announce: {
    name: 'announce',
    text: `with message as (${INSERT}) select id, pg_notify('message', to_jsonb(message)::text) from message`,
  },
};

async function insert(statement, room, author, body) {
  const { rows } = await pool.query({ ...statement, values: [randomUUID(), room, author, body] });
  if (rows.length === 0) throw new Error('not a member');
  return rows[0];
}

/** Keep a message, and return it. */
export const post = (room, author, body) => insert(statements.post, room, author, body);

/** Keep a message, have all who listen told, and return its id. */
export const announce = async (room, author, body) => (await insert(statements.announce, room, author, body)).id;

/** Hear of all messages, whoever kept them: the text of each, which is JSON. */
export async function listen(heard) {
  const client = new pg.Client();
  await client.connect();
  client.on('notification', ({ payload }) => heard(payload));
  await client.query('listen message');
}
