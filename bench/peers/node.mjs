// node writing ready frames: no library between the message and the socket; the messages of a tick joined in one write.
//   node node.mjs PORT CONTROL_PORT FRAME_FILE
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { createServer as createControl } from 'node:net';

const [port, control, file] = process.argv.slice(2);
const frame = readFileSync(file);
const sockets = new Set();

const server = createServer();
server.on('upgrade', (request, socket) => {
  const key = `${request.headers['sec-websocket-key']}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`;
  const accept = createHash('sha1').update(key).digest('base64');
  socket.write(
    'HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n' +
      `Sec-WebSocket-Accept: ${accept}\r\n\r\n`,
  );
  socket.setNoDelay(true);
  socket.on('data', () => {});
  socket.on('error', () => {});
  socket.on('close', () => sockets.delete(socket));
  sockets.add(socket);
});

createControl((asker) => {
  asker.on('data', (asked) => {
    for (const k of asked) {
      const tick = Buffer.concat(Array(k).fill(frame));
      for (const socket of sockets) socket.write(tick);
    }
  });
  asker.on('close', () => process.exit(0));
}).listen(Number(control), '127.0.0.1', () =>
  server.listen({ port: Number(port), host: '127.0.0.1', backlog: 4096 }, () => console.log('ready')),
);
