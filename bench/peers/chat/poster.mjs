/**
 * What keeps messages for servers that have no database: asked over HTTP before a message is published, it answers with
 * what is to be published once that is committed.
 *   node poster.mjs PORT
 * POST /nchan is what nchan asks (nchan_publisher_upstream_request), POST /centrifugo Centrifugo's publish proxy.
 */
import { createServer } from 'node:http';
import { post } from './database.mjs';

const answers = {
  '/nchan': async ({ room, author, body }) => await post(room, author, body),
  '/centrifugo': async ({ channel, data }) => ({ result: { data: await post(channel, data.author, data.body) } }),
};

const server = createServer((request, response) => {
  const parts = [];
  request.on('data', (part) => parts.push(part));
  request.on('end', async () => {
    try {
      const answer = JSON.stringify(await answers[request.url](JSON.parse(Buffer.concat(parts))));
      response.writeHead(200, { 'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(answer) });
      response.end(answer);
    } catch (error) {
      response.writeHead(403).end(error.message);
    }
  });
});
server.keepAliveTimeout = 3_600_000; // whoever asks keeps its connections

server.listen({ port: Number(process.argv[2]), host: '127.0.0.1', backlog: 4096 }, () => console.log('ready'));
