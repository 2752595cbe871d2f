import { createServer } from 'node:http';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { events, polls } from '../src/http.ts';
import type { Transport } from '../src/transport.ts';

vi.setConfig({ testTimeout: 20_000 });

const WELCOME = { type: 'welcome', protocol: 1, actor: 'ada', max_frame: 65_536, heartbeat_ms: 20 };
const HELLO = { type: 'hello', protocols: [1], token: 'a.b.c', client: '0b5e' };
const SUBSCRIBE = { type: 'subscribe', stores: [{ id: 1, name: 'room', params: {} }] };
const SUBSCRIBED = { type: 'subscribed', id: 1, store: 'room{}', epoch: 'e', version: 4, resumed: false };
const SNAPSHOT = { type: 'snapshot', store: 'room{}', epoch: 'e', version: 4, document: {} };
const UPDATE = { type: 'update', store: 'room{}', epoch: 'e', from: 4, to: 5, patch: [] };

/** One request as the server sees it. */
interface Asked {
  path: string;
  frames: { type: string }[];
  answer: ServerResponse;
  /** Settles when whoever asked has gone. */
  gone: Promise<void>;
}

let server: Server;
let url: string;
/** Requests that came and nobody has looked at, and who waits for one. */
let asked: Asked[];
let waiting: ((request: Asked) => void)[];

/** The next request. */
function next(): Promise<Asked> {
  const one = asked.shift();
  return one === undefined ? new Promise((resolve) => waiting.push(resolve)) : Promise.resolve(one);
}

async function take(request: IncomingMessage, answer: ServerResponse): Promise<void> {
  let body = '';
  for await (const part of request) body += String(part);
  const gone = new Promise<void>((resolve) => answer.on('close', resolve));
  const one = { path: request.url ?? '', frames: JSON.parse(body) as { type: string }[], answer, gone };
  const first = waiting.shift();
  if (first === undefined) asked.push(one);
  else first(one);
}

/** A client: what it hears, one after the other. */
class Client {
  readonly #heard: string[] = [];
  #waiting: ((line: string) => void) | undefined;
  readonly socket: ReturnType<Transport>;

  constructor(transport: Transport) {
    const hear = (line: string): void => {
      const first = this.#waiting;
      this.#waiting = undefined;
      if (first === undefined) this.#heard.push(line);
      else first(line);
    };
    const closed = (code: number, reason: string): void => hear(`closed ${code} ${reason}`);
    this.socket = transport(`${url.replace('http', 'ws')}/under/ws`, { opened: () => hear('opened'), message: hear, closed }, 0);
  }

  say(...frames: object[]): void {
    for (const frame of frames) this.socket.send(JSON.stringify(frame));
  }

  async hears(): Promise<string> {
    const one = this.#heard.shift();
    return one ?? new Promise((resolve) => (this.#waiting = resolve));
  }

  /** The types of so many messages. */
  async types(count: number): Promise<string[]> {
    const types: string[] = [];
    while (types.length < count) types.push((JSON.parse(await this.hears()) as { type: string }).type);
    return types;
  }
}

beforeEach(async () => {
  asked = [];
  waiting = [];
  server = createServer((request, answer) => void take(request, answer));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});

afterEach(() => {
  server.closeAllConnections();
  server.close();
});

function say({ answer }: Asked, ...frames: object[]): void {
  for (const frame of frames) answer.write(`data:${JSON.stringify(frame)}\n\n`);
}

test('a stream says what a WebSocket would; what is said of stores begins another one from where they stand', async () => {
  const client = new Client(events);
  expect(await client.hears()).toBe('opened');
  client.say(HELLO);
  const first = await next();
  expect([first.path, first.frames]).toEqual(['/under/events', [HELLO]]);
  say(first, WELCOME);
  // A front's comments come when as long nothing was said: a client that asks before them asks in vain.
  expect(JSON.parse(await client.hears())).toEqual({ ...WELCOME, heartbeat_ms: 30 });
  client.say(SUBSCRIBE);
  const second = await next();
  await first.gone;
  expect(second.frames).toEqual([HELLO, SUBSCRIBE]);
  const bytes = Buffer.from([WELCOME, SUBSCRIBED, SNAPSHOT].map((frame) => `data:${JSON.stringify(frame)}\n\n`).join(''));
  // Wherever the network cuts it.
  second.answer.write(bytes.subarray(0, 20));
  second.answer.write(bytes.subarray(20));
  expect(await client.types(3)).toEqual(['pong', 'subscribed', 'snapshot']);
  second.answer.write(':\n\n');
  expect(await client.types(1)).toEqual(['pong']);
  say(second, UPDATE, UPDATE);
  expect(await client.types(1)).toEqual(['update']);
  client.say({ type: 'ping' });
  const third = await next();
  expect(third.frames).toEqual([HELLO, { type: 'subscribe', stores: [{ ...SUBSCRIBE.stores[0], epoch: 'e', version: 5 }] }]);
  say(third, { type: 'closed', code: 4200, reason: 'come back in 0 ms' });
  expect(await client.types(0)).toEqual([]);
  expect(await client.hears()).toBe('closed 4200 come back in 0 ms');
  await third.gone;
});

test('beside a stream actions go by requests, with all that have no outcome; only outcomes are heard there', async () => {
  const client = new Client(events);
  const dispatch = (number: number): object => ({ type: 'dispatch', lane: 0, number, name: 'a', params: {} });
  const outcome = (number: number): object => ({ ...{ type: 'outcome', lane: 0, number }, status: 'ok', reply: 1, stores: {} });
  client.say(HELLO);
  say(await next(), WELCOME);
  expect([await client.hears(), ...(await client.types(1))]).toEqual(['opened', 'welcome']);
  client.say(dispatch(1));
  const first = await next();
  expect([first.path, first.frames]).toEqual(['/under/poll', [HELLO, dispatch(1)]]);
  client.say(dispatch(2));
  first.answer.end(JSON.stringify([WELCOME, UPDATE, outcome(1)]));
  expect(await client.types(1)).toEqual(['outcome']);
  const second = await next();
  expect(second.frames).toEqual([HELLO, dispatch(2)]);
  second.answer.end(JSON.stringify([WELCOME, outcome(2), outcome(2)]));
  expect(await client.types(1)).toEqual(['outcome']);
  client.socket.close();
});

test('polls: one after the other, given up for what is said since, and asked for a sign of life', async () => {
  const client = new Client(polls);
  client.say(HELLO);
  (await next()).answer.end(JSON.stringify([WELCOME]));
  expect([await client.hears(), ...(await client.types(1))]).toEqual(['opened', 'welcome']);
  client.say(SUBSCRIBE);
  (await next()).answer.end(JSON.stringify([WELCOME, SUBSCRIBED, SNAPSHOT]));
  expect(await client.types(3)).toEqual(['pong', 'subscribed', 'snapshot']);
  const idle = await next();
  const held = { type: 'subscribe', stores: [{ ...SUBSCRIBE.stores[0], epoch: 'e', version: 4 }] };
  expect(idle.frames).toEqual([HELLO, held]);
  client.say({ type: 'ping' });
  await idle.gone;
  const alone = await next();
  expect(alone.frames).toEqual([HELLO]);
  client.say({ type: 'refresh', token: 'd.e.f' });
  await alone.gone;
  const fresh = await next();
  expect(fresh.frames).toEqual([{ ...HELLO, token: 'd.e.f' }, held]);
  client.say({ type: 'unsubscribe', ids: [1] });
  await fresh.gone;
  (await next()).answer.end(JSON.stringify([WELCOME]));
  expect(await client.types(1)).toEqual(['pong']);
  client.socket.close();
});

test('a front that answers at once with nothing is not asked in a circle', async () => {
  const client = new Client(polls);
  client.say(HELLO, SUBSCRIBE);
  (await next()).answer.end(JSON.stringify([WELCOME, SUBSCRIBED, SNAPSHOT]));
  const began = performance.now();
  (await next()).answer.end(JSON.stringify([WELCOME]));
  await next();
  expect(performance.now() - began).toBeGreaterThan(900);
  client.socket.close();
});

test.each([
  ['a refusal with a close code', 401, { close: 4101, detail: 'expired' }, 'closed 4101 expired'],
  ['any other refusal', 503, { detail: 'no answer' }, 'closed 1006 no answer'],
])('%s closes as a WebSocket would be', async (_what, status, problem, end) => {
  for (const transport of [events, polls]) {
    const client = new Client(transport);
    client.say(HELLO);
    (await next()).answer.writeHead(status).end(JSON.stringify(problem));
    expect([await client.hears(), await client.hears()]).toEqual(['opened', end]);
  }
});

test.each([events, polls])('what is cut, or is no frame, is a lost connection', async (transport) => {
  for (const break_ of [({ answer }: Asked) => answer.destroy(), ({ answer }: Asked) => answer.end('data:{\n\n')]) {
    const client = new Client(transport);
    client.say(HELLO);
    break_(await next());
    expect([await client.hears(), (await client.hears()).slice(0, 11)]).toEqual(['opened', 'closed 1006']);
  }
});

test('what does not fit into one request is said in the next one', async () => {
  const client = new Client(polls);
  const params = { text: 'é'.repeat(30_000) };
  const dispatches = [1, 2, 3, 4, 5].map((number) => ({ type: 'dispatch', lane: 0, number, name: 'a', params }));
  client.say(HELLO, ...dispatches);
  const first = await next();
  expect(first.frames.length).toBe(1 + 4);
  const outcomes = [1, 2, 3, 4].map((number) => ({ type: 'outcome', lane: 0, number, status: 'ok', reply: 1, stores: {} }));
  first.answer.end(JSON.stringify([WELCOME, ...outcomes]));
  expect((await next()).frames.map(({ type }) => type)).toEqual(['hello', 'dispatch']);
  client.socket.close();
});
