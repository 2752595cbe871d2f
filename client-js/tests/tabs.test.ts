import fc from 'fast-check';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { createClient } from '../src/client.ts';
import type { Client } from '../src/client.ts';
import type { Up } from '../src/frames.ts';
import type { Json, JsonObject } from '../src/json.ts';
import { defineAction, defineStore } from '../src/refs.ts';
import { LEADER_MS, tabs } from '../src/tabs.ts';
import { Device, Tab } from './device.ts';
import { keyOf, ModelFront, ModelSession } from './model-front.ts';
import { turn, Wires } from './wire.ts';

interface List {
  items: Json[];
}

const STORES = ['a', 'b'].map((name) => defineStore<List>(name)({}));
const A = STORES[0] as (typeof STORES)[number];
const both = defineAction<{ item: Json }, { item: Json }>('both');

let front: ModelFront;
let device: Device;
let pages: Page[];
/** Requests with actions that followers sent. */
let posted: number;

class Page {
  readonly tab: Tab = new Tab(device);
  readonly wires: Wires = new Wires(front);
  readonly client: Client;
  readonly held = new Map<string, () => void>();

  constructor(token = 't', locks: Pick<LockManager, 'request'> | undefined = this.tab.locks) {
    const transport = tabs({ transport: this.wires.transport, ...(locks && { locks }) });
    this.client = createClient({ url: 'ws://front/ws', token, transport, graceMs: 100 });
    pages.push(this);
  }

  hold(ref = A): this {
    if (!this.held.has(ref.name)) this.held.set(ref.name, this.client.store(ref).subscribe(() => undefined));
    return this;
  }

  release(ref = A): void {
    this.held.get(ref.name)?.();
    this.held.delete(ref.name);
  }

  /** From one moment to the next; nothing it says is heard any more. */
  crash(): void {
    this.tab.crash();
    this.wires.reachable = false;
    this.wires.cut();
    pages = pages.filter((page) => page !== this);
    void this.client.close();
  }
}

/** Let channels between tabs, which are real, bring a message each. */
async function pass(): Promise<void> {
  for (let round = 0; round < 3; round += 1) {
    await turn();
    await new Promise((resolve) => setImmediate(resolve));
  }
}

async function settled(): Promise<void> {
  for (let round = 0; round < 12; round += 1) {
    await pass();
    for (const { wires } of pages) await wires.settle();
  }
}

const sockets = (): number => pages.reduce((sum, { wires }) => sum + wires.live.size, 0);
const items = (page: Page): Json[] | undefined => page.client.store(A).get().data?.items;

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
  front = new ModelFront();
  device = new Device();
  pages = [];
  posted = 0;
  vi.stubGlobal('fetch', async (address: URL, { body, signal }: { body: string; signal: AbortSignal }) => {
    expect(address.href).toBe('http://front/poll');
    posted += 1;
    const session = new ModelSession(front);
    for (const frame of JSON.parse(body) as Up[]) session.receive(JSON.stringify(frame));
    session.close();
    await turn();
    signal.throwIfAborted();
    return new Response(`[${session.down.join(',')}]`);
  });
});

afterEach(async () => {
  for (const { client } of pages) void client.close();
  await pass();
  vi.unstubAllGlobals();
  vi.useRealTimers();
});

test('three tabs have one connection, and see the same, whenever they came', async () => {
  const first = new Page().hold();
  await settled();
  front.commit(['a{}'], 1);
  const [second, third] = [new Page().hold(), new Page()];
  await settled();
  front.commit(['a{}', 'b{}'], 2);
  third.hold().hold(STORES[1]);
  await settled();
  front.commit(['a{}', 'b{}'], 3);
  await settled();
  for (const page of [first, second, third]) {
    expect(page.client.store(A).get()).toMatchObject({ status: 'live', version: 3, data: { items: [1, 2, 3] } });
  }
  expect(third.client.store(STORES[1]!).get()).toMatchObject({ status: 'live', data: { items: [2, 3] } });
  expect(sockets()).toBe(1);
});

test('actions of every tab take effect once and settle, those of followers by requests of their own', async () => {
  const [first, second] = [new Page().hold(), new Page().hold()];
  await settled();
  const replies = [first, second].map(({ client }, item) => client.dispatch(both, { item }));
  const shown = Promise.all(replies.map(({ settled: all }) => all));
  await settled();
  expect(await shown).toEqual([{ item: 0 }, { item: 1 }]);
  expect([...front.appended].sort()).toEqual([0, 1]);
  expect(posted).toBe(1);
  expect([first, second].map(items)).toEqual([front.appended, front.appended]);
  expect(second.client.pending.get()).toEqual([]);
});

test.each(['crash', 'close'] as const)('when the one that leads ends (%s), another one takes over where it was', async (how) => {
  const [first, second, third] = [new Page().hold(), new Page().hold(), new Page().hold()];
  await settled();
  expect(second.wires.live.size + third.wires.live.size).toBe(0);
  void second.client.dispatch(both, { item: 'mine' });
  await turn();
  if (how === 'crash') first.crash();
  else await first.client.close();
  front.commit(['a{}'], 'meanwhile');
  for (let round = 0; round < 2; round += 1) {
    await settled();
    vi.advanceTimersByTime(1_000);
  }
  await settled();
  expect(sockets()).toBe(1);
  expect(front.appended).toEqual(['mine']);
  for (const page of [second, third]) {
    expect(page.client.store(A).get().status).toBe('live');
    expect([...(items(page) ?? [])].sort()).toEqual(['meanwhile', 'mine']);
  }
});

test('tokens that claim anything else share nothing; fresh ones of the same claims do', async () => {
  const token = (claims: JsonObject): string => `h.${btoa(JSON.stringify(claims))}.s`;
  const ada = { sub: 'ada', role: 'user' };
  const own = [ada, { ...ada, role: 'admin' }, { ...ada, sub: 'bob' }].map((claims) => new Page(token(claims)).hold());
  await settled();
  expect(own.map(({ wires }) => wires.live.size)).toEqual([1, 1, 1]);
  const fresh = new Page(token({ role: 'user', sub: 'ada', exp: 9_999_999_999, iat: 1, jti: 'x' })).hold();
  await settled();
  expect(fresh.wires.live.size).toBe(0);
  expect(fresh.client.store(A).get().status).toBe('live');
});

test('without locks, and where the one that leads says nothing, a tab has a connection of its own', async () => {
  vi.stubGlobal('navigator', {});
  const alone = new Page('t', undefined).hold();
  await settled();
  expect(alone.client.store(A).get().status).toBe('live');
  alone.crash();
  // Somebody holds the lock and is frozen.
  device.request(new Tab(device), 'fluxwire ws://front/ws t', false, () => new Promise(() => undefined));
  const page = new Page().hold();
  await settled();
  expect([page.wires.live.size, page.client.connection.get().state]).toEqual([0, 'connecting']);
  vi.advanceTimersByTime(LEADER_MS);
  await settled();
  vi.advanceTimersByTime(1);
  await settled();
  expect([page.wires.live.size, page.client.store(A).get().status]).toEqual([1, 'live']);
});

test('a tab that goes takes its stores along', async () => {
  const [first, second] = [new Page(), new Page().hold()];
  await settled();
  expect(front.sessions.size).toBe(1);
  const held = (): boolean => [...front.sessions].some((session) => session.holds('a{}'));
  expect(held()).toBe(true);
  second.crash();
  await settled();
  expect(held()).toBe(false);
  expect(first.client.connection.get().state).toBe('open');
});

test('whatever ends, is cut or comes: every tab sees what the front has, and no action is applied twice', async () => {
  const which = fc.nat(2);
  const step = fc.oneof(
    { weight: 3, arbitrary: fc.record({ type: fc.constantFrom('hold', 'release'), page: which, store: fc.nat(1) }) },
    { weight: 3, arbitrary: fc.record({ type: fc.constantFrom('commit', 'dispatch'), page: which, store: fc.nat(1) }) },
    { weight: 1, arbitrary: fc.record({ type: fc.constantFrom('crash', 'close', 'cut', 'wait', 'renumber'), page: which, store: fc.nat(1) }) },
    { weight: 4, arbitrary: fc.record({ type: fc.constantFrom('up', 'down', 'pass'), page: which, store: fc.nat(1) }) },
  );
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 30, size: 'max' }), async (steps) => {
      vi.clearAllTimers();
      front = new ModelFront();
      device = new Device();
      pages = [];
      const open = [new Page().hold(), new Page().hold(), new Page().hold()];
      let count = 0;
      for (const { type, page: index, store } of steps) {
        const page = open[index] as Page;
        const ref = STORES[store] as (typeof STORES)[number];
        if (type === 'hold') page.hold(ref);
        else if (type === 'release') page.release(ref);
        else if (type === 'commit') front.commit([keyOf(ref.name, {})], `foreign ${(count += 1)}`);
        else if (type === 'renumber') front.renumber(keyOf(ref.name, {}));
        else if (type === 'dispatch') void page.client.dispatch(both, { item: `item ${(count += 1)}` }).catch(() => undefined);
        else if (type === 'cut') page.wires.cut();
        else if (type === 'wait') vi.advanceTimersByTime(20_000);
        else if (type === 'up' || type === 'down') for (const { wires } of pages) wires[type]();
        else if (type === 'pass') await pass();
        else {
          if (type === 'close') void page.client.close();
          page.crash();
          open[index] = new Page().hold();
        }
        await turn();
      }
      for (let round = 0; round < 4; round += 1) {
        await settled();
        vi.advanceTimersByTime(20_000);
      }
      await settled();
      expect(new Set(front.appended).size).toBe(front.appended.length);
      for (const { client, held } of open) {
        for (const name of held.keys()) {
          const { document, version } = front.store(keyOf(name, {}));
          expect(client.store({ name, params: {} }).get()).toMatchObject({ status: 'live', data: document, version });
        }
        expect(client.pending.get()).toEqual([]);
      }
      for (const page of open) page.crash();
      await pass();
    }),
    { numRuns: 60 },
  );
});
