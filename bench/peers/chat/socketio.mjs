/**
 * A chat on Socket.IO 4, several processes of which share Redis as its documentation has it: a message is committed, and
 * then emitted to its room.
 *   node socketio.mjs PORT REDIS_SOCKET
 */
import { createServer } from 'node:http';
import { createAdapter } from '@socket.io/redis-adapter';
import { createClient } from 'redis';
import { Server } from 'socket.io';
import { post } from './database.mjs';

const [port, path] = process.argv.slice(2);
const publisher = createClient({ socket: { path } });
const subscriber = publisher.duplicate();
await Promise.all([publisher.connect(), subscriber.connect()]);

const server = createServer();
const io = new Server(server, {
  adapter: createAdapter(publisher, subscriber),
  transports: ['websocket'],
  serveClient: false,
});

io.on('connection', (socket) => {
  const { room, actor } = socket.handshake.auth;
  socket.join(room);
  socket.emit('joined');
  socket.on('post', async ({ body }, answer) => {
    try {
      const message = await post(room, actor, body);
      io.to(room).emit('message', message);
      answer({ id: message.id });
    } catch (error) {
      answer({ error: error.message });
    }
  });
});

server.listen({ port: Number(port), host: '127.0.0.1', backlog: 4096 }, () => console.log('ready'));
