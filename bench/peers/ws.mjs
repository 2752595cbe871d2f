// Plain ws as its documentation broadcasts: send() to each client; no compression.
//   node ws.mjs PORT CONTROL_PORT UPDATE_FILE
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { createServer as createControl } from 'node:net';
import { WebSocket, WebSocketServer } from 'ws';

const [port, control, file] = process.argv.slice(2);
const update = readFileSync(file);
const server = createServer();
const wss = new WebSocketServer({ server, perMessageDeflate: false });
wss.on('connection', (socket) => socket.on('error', () => {}));

createControl((asker) => {
  asker.on('data', (asked) => {
    for (const k of asked)
      for (let i = 0; i < k; i += 1)
        for (const client of wss.clients) if (client.readyState === WebSocket.OPEN) client.send(update, { binary: false });
  });
  asker.on('close', () => process.exit(0));
}).listen(Number(control), '127.0.0.1', () =>
  server.listen({ port: Number(port), host: '127.0.0.1', backlog: 4096 }, () => console.log('ready')),
);
