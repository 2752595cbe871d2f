// @vitest-environment jsdom
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { createClient } from '../src/client.ts';
import type { Client, ClientOptions } from '../src/client.ts';
import { WAKE_MS } from '../src/connection.ts';
import { ModelFront } from './model-front.ts';
import { turn, Wires } from './wire.ts';

const PAUSE_MS = 20_000;

let front: ModelFront;
let wires: Wires;
let client: Client;

async function opens(options: Partial<ClientOptions> = {}): Promise<void> {
  client = createClient({ url: 'ws://front/ws', token: 't', transport: wires.transport, ...options });
  await wires.settle();
}

function look(visibilityState: 'hidden' | 'visible'): void {
  vi.spyOn(document, 'visibilityState', 'get').mockReturnValue(visibilityState);
  document.dispatchEvent(new Event('visibilitychange', { bubbles: true }));
}

const state = (): string => client.connection.get().state;

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
  front = new ModelFront();
  wires = new Wires(front);
});

afterEach(() => {
  void client.close();
  vi.restoreAllMocks();
  vi.useRealTimers();
});

test('a hidden tab hangs up if it is asked to, and comes back when it is looked at', async () => {
  await opens({ pauseHiddenMs: PAUSE_MS });
  look('hidden');
  vi.advanceTimersByTime(PAUSE_MS - 1);
  expect(state()).toBe('open');
  vi.advanceTimersByTime(1);
  expect(state()).toBe('paused');
  expect(wires.live.size).toBe(0);
  vi.advanceTimersByTime(10 * PAUSE_MS);
  expect(wires.live.size).toBe(0);
  look('visible');
  await wires.settle();
  expect(state()).toBe('open');
});

test('not before an action of its own has its outcome, and not if it is looked at in time', async () => {
  await opens({ pauseHiddenMs: PAUSE_MS });
  const done = client.dispatch({ name: 'append' }, { store: 'a{}', item: 1 });
  await turn();
  look('hidden');
  vi.advanceTimersByTime(15_000);
  look('visible');
  await wires.settle();
  await done;
  vi.advanceTimersByTime(PAUSE_MS);
  expect(state()).not.toBe('paused');
});

test('a tab that nobody asked to pause never does', async () => {
  await opens();
  look('hidden');
  for (let minute = 0; minute < 10; minute += 1) {
    vi.advanceTimersByTime(20_000);
    await wires.settle();
  }
  expect(state()).toBe('open');
});

test('a connection that died in its sleep is noticed soon after the page is looked at again', async () => {
  await opens();
  look('hidden');
  look('visible');
  expect(wires.wire?.up).toEqual(['{"type":"ping"}']);
  vi.advanceTimersByTime(WAKE_MS);
  expect(state()).toBe('waiting');
});

test('the grace time of stores is the application’s to choose', async () => {
  await opens({ graceMs: 100 });
  client.store({ name: 'a', params: {} }).subscribe(vi.fn())();
  await wires.settle();
  vi.advanceTimersByTime(100);
  await turn();
  expect(wires.wire?.up).toEqual(['{"type":"unsubscribe","ids":[1]}']);
});

test('a queue that grows without end is refused at its end', async () => {
  wires.reachable = false;
  await opens();
  const waiting = Array.from({ length: 10_000 }, (_value, item) => client.dispatch({ name: 'x' }, { item }));
  for (const one of waiting) one.catch(() => undefined);
  await expect(client.dispatch({ name: 'x' }, {})).rejects.toMatchObject({ code: 'queue_full' });
});
