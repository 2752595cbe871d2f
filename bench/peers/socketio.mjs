// Socket.IO 4, one room, WebSockets only, as its documentation has it.
//   node socketio.mjs PORT CONTROL_PORT UPDATE_FILE
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { createServer as createControl } from 'node:net';
import { Server } from 'socket.io';

const [port, control, file] = process.argv.slice(2);
const update = JSON.parse(readFileSync(file));
const server = createServer();
// No heartbeat during a run: it would only cost it time.
const io = new Server(server, { transports: ['websocket'], pingInterval: 3_600_000, serveClient: false });
io.on('connection', (socket) => socket.join('room'));

createControl((asker) => {
  asker.on('data', (asked) => {
    for (const k of asked) for (let i = 0; i < k; i += 1) io.to('room').emit('update', update);
  });
  asker.on('close', () => process.exit(0));
}).listen(Number(control), '127.0.0.1', () =>
  server.listen({ port: Number(port), host: '127.0.0.1', backlog: 4096 }, () => console.log('ready')),
);
