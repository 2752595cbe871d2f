import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { fallback, PROBE_MS, REMEMBERED_MS } from '../src/fallback.ts';
import type { SocketListener, Transport } from '../src/transport.ts';
import { turn } from './wire.ts';

/** Ways that do what the test says, and note that they were asked. */
interface Opened {
  way: string;
  listener: SocketListener;
  sent: string[];
  closed: boolean;
}

const { opened, way } = vi.hoisted(() => {
  const opened: Opened[] = [];
  const way = (name: string): Transport => (_url, listener) => {
    const one: Opened = { way: name, listener, sent: [], closed: false };
    opened.push(one);
    return { send: (text) => void one.sent.push(text), close: () => void (one.closed = true) };
  };
  return { opened, way };
});

vi.mock('../src/http.ts', () => ({ events: way('events'), polls: way('polls') }));

const KEY = 'fluxwire/blocked';
const heard: string[] = [];
const listener: SocketListener = {
  opened: () => undefined,
  message: (text) => heard.push(text),
  closed: (code, reason) => heard.push(`closed ${code} ${reason}`),
};
let kept: Map<string, string>;

function transport(): Transport {
  return fallback(way('webSocket'));
}

/** The ways that are taken as failures go on. */
function taken(open: Transport, failures: number[]): (string | undefined)[] {
  return failures.map((count) => {
    open('ws://front/ws', listener, count);
    return opened.at(-1)?.way;
  });
}

beforeEach(() => {
  opened.length = heard.length = 0;
  kept = new Map();
  vi.useFakeTimers();
  vi.stubGlobal('WebSocket', class {});
  vi.stubGlobal('localStorage', {
    getItem: (key: string) => kept.get(key) ?? null,
    setItem: (key: string, value: string) => kept.set(key, value),
    removeItem: (key: string) => kept.delete(key),
  });
});

afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

test('every way gets its turn', () => {
  const ways = ['webSocket', 'webSocket', 'events', 'polls', 'webSocket', 'webSocket', 'events'];
  expect(taken(transport(), [0, 1, 2, 3, 4, 5, 6])).toEqual(ways);
});

test('where WebSocket does not come through it is remembered for an hour which way did', async () => {
  const open = transport();
  expect(taken(open, [2])).toEqual(['events']);
  opened[0]?.listener.message('welcome');
  expect(opened[1]?.way).toBe('webSocket');
  opened[1]?.listener.closed(1006, '');
  await turn();
  expect(heard).toEqual(['welcome']);
  expect(JSON.parse(kept.get(KEY) ?? '')).toEqual({ until: Date.now() + REMEMBERED_MS, way: 'events' });
  expect(taken(open, [0, 1, 2])).toEqual(['events', 'polls', 'webSocket']);
  // Another page, and this one for longer than that.
  expect(taken(transport(), [0])).toEqual(['events']);
  vi.advanceTimersByTime(REMEMBERED_MS);
  expect(taken(open, [0])).toEqual(['webSocket']);
  expect(kept.size).toBe(0);
});

test('a WebSocket that stays silent does not come through either', async () => {
  taken(transport(), [3]);
  opened[0]?.listener.message('welcome');
  opened[1]?.listener.opened();
  expect(opened[1]?.sent).toEqual(['{}']);
  vi.advanceTimersByTime(PROBE_MS);
  await turn();
  expect(opened[1]?.closed).toBe(true);
  expect(JSON.parse(kept.get(KEY) ?? '')).toMatchObject({ way: 'polls' });
});

test('where it was the front that was away, the connection goes back to WebSocket', async () => {
  const open = transport();
  taken(open, [2]);
  opened[0]?.listener.message('welcome');
  opened[1]?.listener.closed(4001, 'no frame');
  await turn();
  expect(heard).toEqual(['welcome', 'closed 1012 come back in 0 ms']);
  expect([opened[0]?.closed, kept.size]).toEqual([true, 0]);
  // The failures of before do not count any more.
  expect(taken(open, [2, 0])).toEqual(['webSocket', 'webSocket']);
});

test.each([
  ['by a clock that was wrong', JSON.stringify({ until: Date.now() + 10 * REMEMBERED_MS, way: 'events' })],
  ['too long ago', JSON.stringify({ until: 0, way: 'events' })],
  ['by somebody else', '{"until":"soon"}'],
  ['as no JSON', '{'],
])('what was remembered %s does not count', (_how, text) => {
  kept.set(KEY, text);
  expect(taken(transport(), [0])).toEqual(['webSocket']);
  expect(kept.size).toBe(0);
});

test('without WebSocket and storage, as in Node 20, the other ways are all there is', async () => {
  vi.unstubAllGlobals();
  vi.stubGlobal('WebSocket', undefined);
  const open = transport();
  expect(taken(open, [0, 1, 2])).toEqual(['events', 'polls', 'events']);
  opened[0]?.listener.message('welcome');
  await turn();
  expect(opened.length).toBe(3);
});
