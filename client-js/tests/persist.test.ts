import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { createClient, predict } from '../src/client.ts';
import type { Client, ClientOptions } from '../src/client.ts';
import type { Json } from '../src/json.ts';
import { memoryStorage, NEIGHBOUR_MS, persist } from '../src/persist.ts';
import type { DevicePersistence, PersistOptions } from '../src/persist.ts';
import { defineAction, defineStore } from '../src/refs.ts';
import { Device, Tab } from './device.ts';
import { ModelFront } from './model-front.ts';
import { turn, Wires } from './wire.ts';

interface List {
  items: Json[];
}

const a = defineStore<List>('a');
const both = defineAction<{ item: Json }, { item: Json }>('both');
const refuse = defineAction<{ item: Json }>('refuse');

interface Page {
  client: Client;
  kept: DevicePersistence;
  wires: Wires;
  tab: Tab;
  /** Codes of actions whose callers are gone. */
  late: string[];
}

let front: ModelFront;
let device: Device;
let pages: Page[];

async function opens(options: Partial<PersistOptions> = {}, more: Partial<ClientOptions> = {}): Promise<Page> {
  const tab = new Tab(device);
  const wires = new Wires(front);
  const late: string[] = [];
  const { storage, locks } = tab;
  vi.stubGlobal('BroadcastChannel', device.BroadcastChannel);
  const kept = persist({ actor: 'ada', storage, locks, ...options });
  const client = createClient({
    ...{ url: 'ws://front/ws', token: 't', transport: wires.transport },
    persistence: kept,
    predictions: [predict(both, (stores, { item }) => stores.update(a({}), ({ items }) => ({ items: [...items, item] })))],
    onLateError: ({ code }, { params }) => late.push(`${String(params['item'])}: ${code}`),
    ...more,
  });
  const page = { client, kept, wires, tab, late };
  pages.push(page);
  await ready();
  // Those who have no neighbours have begun already.
  vi.advanceTimersByTime(NEIGHBOUR_MS);
  await ready();
  return page;
}

/** Until storages and locks have answered: both are promises all the way down. */
async function ready(): Promise<void> {
  for (let round = 0; round < 20; round += 1) await turn();
}

/** The page is gone, from one moment to the next. */
function crashes({ tab, wires }: Page): void {
  tab.crash();
  wires.reachable = false;
  wires.cut();
}

async function settled(): Promise<void> {
  for (let round = 0; round < 3; round += 1) {
    await ready();
    for (const { wires } of pages) await wires.settle();
  }
}

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
  front = new ModelFront();
  device = new Device();
  pages = [];
});

afterEach(async () => {
  for (const { client } of pages) void client.close();
  await ready();
  vi.unstubAllGlobals();
  vi.useRealTimers();
});

/** Says that a rejection at the end of a test is none of its business. */
const quiet = (promise: Promise<unknown>): void => void promise.catch(() => undefined);

describe('actions', () => {
  test('that were never sent are sent after a reload, in order, and shown at once', async () => {
    const first = await opens();
    for (const item of [1, 2, 3]) quiet(first.client.dispatch(both, { item }));
    await ready();
    crashes(first);
    const second = await opens();
    second.client.store(a({})).subscribe(vi.fn());
    expect(second.client.pending.get().map(({ params }) => params['item'])).toEqual([1, 2, 3]);
    quiet(second.client.dispatch(both, { item: 4 }));
    await settled();
    expect(front.appended).toEqual([1, 2, 3, 4]);
    expect(second.client.store(a({})).get()).toMatchObject({ status: 'live', data: { items: [1, 2, 3, 4] } });
    expect(second.client.pending.get()).toEqual([]);
    expect(second.late).toEqual([]);
  });

  test('that were applied before a crash are not applied again', async () => {
    const first = await opens();
    quiet(first.client.dispatch(both, { item: 1 }));
    await ready();
    while (first.wires.up() || first.wires.wire?.session.down.length === 1) first.wires.down();
    expect(front.appended).toEqual([1]);
    crashes(first);
    const second = await opens();
    expect(second.client.pending.get()).toHaveLength(1);
    await settled();
    expect(front.appended).toEqual([1]);
    expect(second.client.pending.get()).toEqual([]);
    await opens();
    expect(pages.at(-1)?.client.pending.get()).toEqual([]);
  });

  test('are not sent before they are kept', async () => {
    let write: () => void = () => undefined;
    const slow = { list: async () => [], write: () => new Promise<void>((resolve) => (write = resolve)) };
    const { client, wires } = await opens({ storage: slow });
    await wires.settle();
    quiet(client.dispatch(both, { item: 1 }));
    await ready();
    expect(wires.wire?.up).toEqual([]);
    write();
    await ready();
    expect(wires.wire?.up).toHaveLength(1);
  });

  test('of a tab that is alive are its own; when it ends, its neighbour takes over', async () => {
    const first = await opens();
    first.wires.reachable = false;
    quiet(first.client.dispatch(both, { item: 1 }));
    const second = await opens();
    await settled();
    expect(second.client.pending.get()).toEqual([]);
    expect(front.appended).toEqual([]);
    crashes(first);
    await settled();
    expect(front.appended).toEqual([1]);
    expect(second.wires.most).toBe(1);
  });

  test('of a neighbour that had none when a tab opened are taken over too, whoever of them is left', async () => {
    const [first, second, third] = [await opens(), await opens(), await opens()];
    await settled();
    for (const { wires } of pages) {
      wires.reachable = false;
      wires.cut();
    }
    const items = ({ client }: Page): unknown[] => client.pending.get().map(({ params }) => params['item']);
    quiet(second.client.dispatch(both, { item: 1 }));
    quiet(second.client.dispatch(both, { item: 2 }));
    await ready();
    expect([items(first), items(third)]).toEqual([[], []]);
    crashes(second);
    await ready();
    const [heir, other] = items(first).length > 0 ? [first, third] : [third, first];
    expect([items(heir), items(other)]).toEqual([[1, 2], []]);
    crashes(heir);
    await ready();
    expect(items(other)).toEqual([1, 2]);
    other.wires.reachable = true;
    vi.advanceTimersByTime(20_000);
    await settled();
    expect(front.appended).toEqual([1, 2]);
  });

  test('that another application of this origin keeps are left for its own pages to take over', async () => {
    const [first, heir] = [await opens({ storage: memoryStorage() }), await opens()];
    const neighbour = await opens();
    neighbour.wires.reachable = false;
    quiet(neighbour.client.dispatch(both, { item: 1 }));
    await ready();
    crashes(neighbour);
    await ready();
    expect([first, heir].map(({ client }) => client.pending.get().length)).toEqual([0, 1]);
  });

  test('of a page that has just been left go first, though its lock is let go a moment later', async () => {
    const first = await opens();
    first.wires.reachable = false;
    quiet(first.client.dispatch(both, { item: 1 }));
    await ready();
    const opening = opens();
    const second = pages.at(-1) as Page;
    quiet(second.client.dispatch(both, { item: 2 }));
    await turn();
    crashes(first);
    await opening;
    await settled();
    expect(front.appended).toEqual([1, 2]);
  });

  test('two tabs never speak under one client id, whatever they were opened from', async () => {
    const [first, second] = [await opens(), await opens()];
    await settled();
    const ids = [first, second].map(({ wires }) => wires.wire?.session.client);
    expect(new Set(ids).size).toBe(2);
  });

  test('without locks two pages may send the same action: it is applied once', async () => {
    const first = await opens();
    quiet(first.client.dispatch(both, { item: 1 }));
    await ready();
    crashes(first);
    const request = async (_name: string, _options: LockOptions, held: (lock: unknown) => unknown) => held({});
    const locks = { request } as unknown as Pick<LockManager, 'request'>;
    const pair = [await opens({ locks }), await opens({ locks })];
    expect(pair.map(({ client }) => client.pending.get().length)).toEqual([1, 1]);
    await settled();
    expect(front.appended).toEqual([1]);
    expect(pair.map(({ client }) => client.pending.get().length)).toEqual([0, 0]);
  });

  test('refused after a reload: what is told knows which one it was', async () => {
    const first = await opens();
    quiet(first.client.dispatch(refuse, { item: 'mine' }));
    await ready();
    crashes(first);
    const second = await opens();
    await settled();
    expect(second.late).toEqual(['mine: no']);
  });

  test('refused ones that are to be kept are there until they are dismissed, whoever heard of them', async () => {
    const keepFailed = [refuse];
    const first = await opens({ keepFailed });
    const [mine, told] = [first.client.dispatch(refuse, { item: 'mine' }), vi.fn()];
    first.kept.failed.subscribe(told);
    await settled();
    await expect(mine).rejects.toMatchObject({ code: 'no' });
    quiet(first.client.dispatch(both, { item: 'fine' }));
    await settled();
    expect(told).toHaveBeenCalledTimes(1);
    // Sent, and the page ends before it hears of it.
    quiet(first.client.dispatch(refuse, { item: 'away' }));
    await ready();
    crashes(first);
    const second = await opens({ keepFailed });
    await settled();
    const items = (page: Page): unknown[] => page.kept.failed.get().map(({ params }) => params['item']);
    expect(items(second)).toEqual(['mine', 'away']);
    expect(second.kept.failed.get()[1]).toMatchObject({ name: 'refuse', error: { code: 'no', message: 'No.' } });
    second.kept.dismiss(second.kept.failed.get()[0]?.id ?? '');
    await ready();
    crashes(second);
    const third = await opens({ keepFailed });
    await settled();
    expect(items(third)).toEqual(['away']);
    await third.client.close({ wipe: true });
    expect(items(third)).toEqual([]);
    expect(await device.storage.list('')).toEqual([]);
  });

  test('a hundred refused ones are kept, the newest', async () => {
    const page = await opens({ keepFailed: [refuse] });
    for (let item = 0; item < 103; item += 1) quiet(page.client.dispatch(refuse, { item }));
    await settled();
    const kept = page.kept.failed.get();
    expect([kept.length, kept[0]?.params, kept.at(-1)?.params]).toEqual([100, { item: 3 }, { item: 102 }]);
    expect(await device.storage.list('"ada"/failed/')).toHaveLength(100);
  });

  test('that may have been applied under an id which the database has forgotten are told, not sent again', async () => {
    const first = await opens();
    const done = first.client.dispatch(both, { item: 1 });
    await settled();
    await done;
    quiet(first.client.dispatch(both, { item: 2 }));
    await ready();
    crashes(first);
    front.expire();
    const second = await opens();
    await settled();
    expect(second.late).toEqual(['2: client_expired']);
    expect(front.appended).toEqual([1]);
    const next = second.client.dispatch(both, { item: 3 });
    await settled();
    expect(await next).toEqual({ item: 3 });
  });

  test('of another actor are neither seen nor sent', async () => {
    const first = await opens();
    quiet(first.client.dispatch(both, { item: 'secret' }));
    await ready();
    crashes(first);
    const other = await opens({ actor: 'bob' });
    expect(other.client.pending.get()).toEqual([]);
    await settled();
    // The model's token speaks for ada.
    expect(other.client.connection.get()).toMatchObject({ state: 'signed out' });
    expect(front.appended).toEqual([]);
  });

  test('after a sign-out nothing is kept', async () => {
    const first = await opens();
    first.client.store(a({})).subscribe(vi.fn());
    await settled();
    quiet(first.client.dispatch(both, { item: 1 }));
    await ready();
    await first.client.close({ wipe: true });
    expect(await device.storage.list('')).toEqual([]);
  });
});

describe('documents', () => {
  async function keptOnce(): Promise<void> {
    const first = await opens();
    first.client.store(a({})).subscribe(vi.fn());
    front.commit(['a{}'], 'before');
    await settled();
    await first.client.close();
    crashes(first);
  }

  test('are shown at once, as stale, and continue from where they were', async () => {
    await keptOnce();
    front.commit(['a{}'], 'meanwhile');
    const { client, wires } = await opens();
    const store = client.store(a({}));
    expect(store.get()).toMatchObject({ status: 'stale', data: { items: ['before'] } });
    store.subscribe(vi.fn());
    expect(store.get()).toMatchObject({ status: 'stale', data: { items: ['before'] } });
    wires.up();
    await ready();
    wires.up();
    wires.down();
    await ready();
    expect(wires.wire?.up[0]).toContain('"version":1');
    await settled();
    expect(store.get()).toMatchObject({ status: 'live', data: { items: ['before', 'meanwhile'] } });
  });

  test('are shown to components that asked before they were read', async () => {
    await keptOnce();
    const opening = opens();
    const listener = vi.fn();
    pages.at(-1)?.client.store(a({})).subscribe(listener);
    await opening;
    expect(listener).toHaveBeenCalledTimes(1);
    expect(pages.at(-1)?.client.store(a({})).get().status).toBe('stale');
  });

  test('that may not be read any more are not kept any more', async () => {
    await device.storage.write(
      new Map([
        [
          '"ada"/store/secret{}/["secret",{}]',
          { name: 'secret', params: {}, key: 'secret{}', epoch: 'e', version: 1, document: { items: [] } },
        ],
      ]),
    );
    const { client } = await opens();
    const secret = client.store(defineStore<List>('secret')({}));
    secret.subscribe(vi.fn());
    expect(secret.get().status).toBe('stale');
    await settled();
    expect(secret.get()).toMatchObject({ status: 'error', data: undefined });
    await client.close();
    expect(await device.storage.list('"ada"/store/')).toEqual([]);
  });

  test('take no more room than they may: the least recently changed go', async () => {
    const { client } = await opens({ maxSize: 40 });
    for (const name of ['a', 'b']) client.store(defineStore<List>(name)({})).subscribe(vi.fn());
    await settled();
    vi.advanceTimersByTime(5_000);
    front.commit(['a{}'], 'twenty-six characters long');
    await settled();
    await client.close();
    const kept = (await device.storage.list('')).map(([key]) => key);
    expect(kept).toEqual(['"ada"/store/a{}/["a",{}]']);
  });
});

describe('a bad device', () => {
  test('holds whatever an attacker or an older version has left there: it is left alone', async () => {
    const rubbish = [null, 7, 'x', [], {}, { id: 'x', client: 'c', number: 'one', name: 'both', params: {}, at: 0 }];
    const keys = rubbish.flatMap((value, index) => [
      [`"ada"/action/s${index}/x`, value] as const,
      [`"ada"/failed/x${index}`, value] as const,
      [`"ada"/store/s${index}/x`, value] as const,
      [`"ada"/${index}`, value] as const,
    ]);
    await device.storage.write(new Map(keys));
    const { client } = await opens();
    const done = client.dispatch(both, { item: 1 });
    await settled();
    expect(await done).toEqual({ item: 1 });
  });

  test('whose document does not fit the patches heals by a snapshot', async () => {
    const broken = { name: 'a', params: {}, key: 'a{}', epoch: 'epoch-1', version: 0, document: 'broken' };
    await device.storage.write(new Map([['"ada"/store/a{}/["a",{}]', broken]]));
    front.commit(['a{}'], 1);
    const { client } = await opens();
    client.store(a({})).subscribe(vi.fn());
    await settled();
    expect(client.store(a({})).get()).toMatchObject({ status: 'live', data: { items: [1] } });
  });

  test('that is full, or cannot be read, or never answers: the client works on without', async () => {
    const never = (): Promise<never> => new Promise(() => undefined);
    const fails = async (): Promise<never> => Promise.reject(new Error('broken'));
    const errors = vi.fn();
    device.full = true;
    const all = [
      await opens({ onError: errors }),
      await opens({ storage: { list: fails, write: fails }, onError: errors }),
      await opens({ storage: { list: never, write: never }, onError: errors }),
    ];
    const done = all.map(({ client }, item) => client.dispatch(both, { item }));
    for (let second = 0; second < 10; second += 1) {
      vi.advanceTimersByTime(1_000);
      await settled();
    }
    expect(await Promise.all(done)).toEqual([{ item: 0 }, { item: 1 }, { item: 2 }]);
    expect(errors).toHaveBeenCalled();
  });
});

test('whatever crashes, is cut or cannot be written: no action twice, and none lost that was kept', async () => {
  const step = fc.oneof(
    { weight: 4, arbitrary: fc.record({ type: fc.constantFrom('up', 'down'), page: fc.nat(1), times: fc.nat(4) }) },
    { weight: 4, arbitrary: fc.record({ type: fc.constant('dispatch'), page: fc.nat(1), times: fc.nat(2) }) },
    {
      weight: 2,
      arbitrary: fc.record({ type: fc.constantFrom('crash', 'cut', 'close'), page: fc.nat(1), times: fc.constant(0) }),
    },
    { weight: 1, arbitrary: fc.record({ type: fc.constantFrom('full', 'wait'), page: fc.nat(1), times: fc.nat(1) }) },
  );
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 40, size: 'max' }), async (steps) => {
      vi.clearAllTimers();
      front = new ModelFront();
      device = new Device();
      pages = [];
      const open = [await opens(), await opens()];
      const kept: Json[] = [];
      let count = 0;
      for (const { type, page, times } of steps) {
        const { client, wires } = open[page] as Page;
        if (type === 'up' || type === 'down') for (let n = 0; n < times; n += 1) wires[type]();
        else if (type === 'cut') wires.cut();
        else if (type === 'full') device.full = times === 1;
        else if (type === 'wait') vi.advanceTimersByTime(20_000);
        else if (type === 'dispatch') {
          for (let n = 0; n <= times; n += 1) {
            const item = `item ${(count += 1)}`;
            quiet(client.dispatch(both, { item }));
            if (!device.full) kept.push(item);
          }
        } else {
          if (type === 'close') await client.close();
          crashes(open[page] as Page);
          open[page] = await opens();
        }
        await ready();
        expect(new Set(front.appended).size).toBe(front.appended.length);
      }
      device.full = false;
      for (let round = 0; round < 4; round += 1) {
        vi.advanceTimersByTime(20_000);
        await settled();
      }
      expect(new Set(front.appended).size).toBe(front.appended.length);
      // After a write that failed there may be a gap before them. Then they are told.
      const told = pages.flatMap(({ late }) => late.map((one) => one.split(':')[0]));
      const lost = kept.filter((item) => !front.appended.includes(item) && !told.includes(String(item)));
      expect(lost).toEqual([]);
      for (const { client } of pages) void client.close();
      await ready();
    }),
    { numRuns: 100 },
  );
});

test('what a neighbour leaves while this page says hello goes under the id it was brought with', async () => {
  const first = await opens();
  quiet(first.client.dispatch(both, { item: 1 }));
  const second = await opens();
  second.wires.up();
  crashes(first);
  await ready();
  quiet(second.client.dispatch(both, { item: 2 }));
  await settled();
  expect(front.appended).toEqual([1, 2]);
});
