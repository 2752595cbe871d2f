/**
 * Two clients without WebSocket, one over events and one over long polls: each writes while the other reads.
 *
 * Arguments: the fronts' address, two tokens, how many messages each writes. Prints what each client holds at the end.
 */
import { createClient } from '../../client-js/dist/index.js';
import { events, polls } from '../../client-js/dist/http.js';

const [url, ada, bob, count] = process.argv.slice(2);
const room = { name: 'room', params: { room: 'without' } };
const clients = [
  createClient({ url, token: ada, transport: events }),
  createClient({ url, token: bob, transport: polls }),
];

/** Until a store's document is as it should be. */
function holds(client, ref, right) {
  const store = client.store(ref);
  return new Promise((resolve) => {
    const look = () => {
      const { status, data } = store.get();
      if (status === 'live' && right(data)) resolve(data);
    };
    store.subscribe(look);
    look();
  });
}

const bodies = ({ messages }) => Object.values(messages).map(({ body }) => body);

await clients[0].dispatch({ name: 'create_room' }, { room: 'without' });
for (const client of clients) await client.dispatch({ name: 'join_room' }, { room: 'without' });
const shown = clients.map((client) => holds(client, room, (data) => bodies(data).length === 2 * count));
const replies = [];
for (let number = 0; number < count; number += 1) {
  clients.forEach((client, which) => {
    replies.push(client.dispatch({ name: 'post_message' }, { room: 'without', body: `${which}.${number}` }).settled);
  });
  // Now together with others, now alone.
  if (number % 3 === 0) await replies.at(-1);
}
await Promise.all(replies);
const [first, second] = await Promise.all(shown);
for (const client of clients) await client.close();
process.stdout.write(JSON.stringify({ first, second }));
