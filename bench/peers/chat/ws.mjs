/**
 * A chat on ws, several processes of which hear of messages from Postgres. A message becomes one frame, the same bytes
 * for everybody, and what is heard in one turn of the event loop leaves in one write per client.
 *   node ws.mjs PORT
 */
import { createServer } from 'node:http';
import { Sender, WebSocketServer } from 'ws';
import { announce, listen } from './database.mjs';

const port = Number(process.argv[2]);
const rooms = new Map();
/** Frames of this turn, by room. */
let heard = new Map();

const framed = (text) => Buffer.concat(Sender.frame(Buffer.from(text), { fin: true, opcode: 1, mask: false, readOnly: false, rsv1: false }));

function write() {
  const turn = heard;
  heard = new Map();
  for (const [room, frames] of turn) {
    const data = frames.length === 1 ? frames[0] : Buffer.concat(frames);
    for (const socket of rooms.get(room) ?? []) socket.write(data);
  }
}

await listen((text) => {
  const { room } = JSON.parse(text);
  if (heard.size === 0) setImmediate(write);
  const frames = heard.get(room);
  const frame = framed(`{"type":"message","message":${text}}`);
  if (frames) frames.push(frame);
  else heard.set(room, [frame]);
});

const server = createServer();
const chat = new WebSocketServer({ server, perMessageDeflate: false });

chat.on('connection', (client, request) => {
  const { searchParams } = new URL(request.url, 'http://localhost');
  const [room, actor] = [searchParams.get('room'), searchParams.get('actor')];
  const members = rooms.get(room) ?? new Set();
  rooms.set(room, members);
  // Ready frames go to the socket itself: what the library sends meanwhile is whole frames as well.
  const socket = client._socket;
  members.add(socket);
  client.on('close', () => members.delete(socket));
  client.on('error', () => members.delete(socket));
  client.on('message', async (data) => {
    const { number, body } = JSON.parse(data);
    try {
      client.send(JSON.stringify({ type: 'posted', number, id: await announce(room, actor, body) }));
    } catch (error) {
      client.send(JSON.stringify({ type: 'refused', number, error: error.message }));
    }
  });
  client.send('{"type":"joined"}');
});

server.listen({ port, host: '127.0.0.1', backlog: 4096 }, () => console.log('ready'));
