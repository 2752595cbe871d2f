import { describe, expect, test, vi } from 'vitest';
import type { Mock } from 'vitest';
import type { Subscribe, Subscribed, Unsubscribed, Update } from '../src/frames.ts';
import { GRACE_MS, makeSubscriptions } from '../src/subscriptions.ts';
import type { Subscriptions } from '../src/subscriptions.ts';
import { goldenFrame } from './golden.ts';

const MAX = 65_536;
const LOBBY = 'room{"room": "lobby"}';

/** Tells the listeners after each frame, as the client does. */
function receive(all: Subscriptions, ...frames: Parameters<Subscriptions['receive']>[0][]): void {
  for (const frame of frames) {
    all.receive(frame, 0);
    all.tell(0);
  }
}

const subscribed = (id: number, store: string, resumed = false): Subscribed => ({
  ...{ type: 'subscribed', id, store, epoch: '5f0c11d2', version: 41, resumed },
});
const snapshot = (store: string, n = 0) =>
  ({ type: 'snapshot', store, epoch: '5f0c11d2', version: 41, document: { n } }) as const;
const update = (store: string, from: number, n: number): Update => ({
  ...{ type: 'update', store, epoch: '5f0c11d2', from, to: from + 1 },
  patch: [{ op: 'replace', path: '/n', value: n }],
});
const forbidden = (id: number): Unsubscribed => ({
  ...{ type: 'unsubscribed', id, error: { code: 'forbidden', message: 'You may not read this store.' } },
});

/** Holds stores, sends for them and gets snapshots of them, under ids from 1 on. */
function live(...names: string[]): { all: Subscriptions; listener: Mock<() => void> } {
  const all = makeSubscriptions();
  const listener = vi.fn<() => void>();
  for (const name of names) all.hold(name, {}, listener);
  all.send(MAX);
  names.forEach((name, index) => receive(all, subscribed(index + 1, name), snapshot(name)));
  listener.mockClear();
  return { all, listener };
}

describe('asking', () => {
  test('the frame of a resume is the golden one', () => {
    const all = makeSubscriptions();
    all.hold('room', { room: 'lobby' }, vi.fn());
    all.send(MAX);
    receive(all, subscribed(1, LOBBY), snapshot(LOBBY));
    all.lost(0);
    const [frame] = all.send(MAX) as [Subscribe];
    expect({ ...frame, stores: [{ ...frame.stores[0], id: 1 }] }).toEqual(goldenFrame('subscribe: resume'));
  });

  test('equal names and parameters are asked for once, in one frame with the others', () => {
    const all = makeSubscriptions();
    all.hold('room', { a: 1, b: 2 }, vi.fn());
    all.hold('room', { b: 2, a: 1 }, vi.fn());
    all.hold('rooms', {}, vi.fn());
    expect(all.send(MAX)).toMatchObject([{ type: 'subscribe', stores: [{ name: 'room' }, { name: 'rooms' }] }]);
    expect(all.send(MAX)).toEqual([]);
  });

  test('§3: no frame names more than 1,000 stores or is longer than the front takes', () => {
    const all = makeSubscriptions();
    for (let n = 0; n < 2_500; n += 1) all.hold('n', { n }, vi.fn());
    const frames = all.send(4_096) as Subscribe[];
    expect(frames.flatMap(({ stores }) => stores.map(({ params }) => params['n']))).toEqual(
      Array.from({ length: 2_500 }, (_value, n) => n),
    );
    for (const frame of frames) expect(JSON.stringify(frame).length).toBeLessThanOrEqual(4_096);
    const more = makeSubscriptions();
    for (let n = 0; n < 2_500; n += 1) more.hold('n', { n }, vi.fn());
    for (const { stores } of more.send(1e6) as Subscribe[]) expect(stores.length).toBeLessThanOrEqual(1_000);
  });

  test('a store that no frame could name fails by itself, without harm to the others', () => {
    const all = makeSubscriptions();
    const params = { text: 'x'.repeat(5_000) };
    all.hold('long', params, vi.fn());
    all.hold('short', {}, vi.fn());
    expect(all.send(4_096)).toMatchObject([{ stores: [{ name: 'short' }] }]);
    all.tell(0);
    expect(all.state('long', params)).toMatchObject({ status: 'error', error: { code: 'too_large' } });
  });
});

describe('showing', () => {
  test('pending, then live, and the same object until something changes', () => {
    const { all, listener } = live('a');
    const before = all.state('a', {});
    expect(before).toEqual({ status: 'live', data: { n: 0 }, version: 41, error: undefined });
    all.tell(0);
    expect(all.state('a', {})).toBe(before);
    receive(all, update('a', 41, 1));
    expect(all.state('a', {}).data).toEqual({ n: 1 });
    expect(listener).toHaveBeenCalledTimes(1);
  });

  test('§5: the stores of one commit become visible together', () => {
    const { all, listener } = live('a', 'b');
    const seen: unknown[] = [];
    listener.mockImplementation(() => seen.push([all.state('a', {}).data, all.state('b', {}).data]));
    receive(all, { type: 'commit', updates: 2 }, update('a', 41, 1));
    expect(all.state('a', {}).data).toEqual({ n: 0 });
    receive(all, update('b', 41, 1));
    expect(seen).toEqual([
      [{ n: 1 }, { n: 1 }],
      [{ n: 1 }, { n: 1 }],
    ]);
  });

  test('§5: half a commit is never shown, and does not hold up what comes after the next welcome', () => {
    const { all } = live('a', 'b');
    receive(all, { type: 'commit', updates: 2 }, update('a', 41, 1));
    all.lost(0);
    all.tell(0);
    expect(all.state('a', {})).toMatchObject({ status: 'stale', data: { n: 0 } });
    all.send(MAX);
    receive(all, subscribed(3, 'a', true), update('a', 41, 2));
    expect(all.state('a', {})).toMatchObject({ status: 'live', data: { n: 2 } });
  });

  test('two wishes with one store key share one document', () => {
    const { all, listener } = live('a');
    const other = vi.fn();
    all.hold('a', { n: 1 }, other);
    all.send(MAX);
    receive(all, subscribed(2, 'a', true));
    expect(all.state('a', { n: 1 }).data).toBe(all.state('a', {}).data);
    receive(all, update('a', 41, 1));
    expect(listener).toHaveBeenCalledTimes(1);
    expect(all.state('a', { n: 1 }).data).toBe(all.state('a', {}).data);
  });

  test('a refused store is an error and shows nothing; the next connection asks again', () => {
    const { all, listener } = live('a');
    receive(all, forbidden(1));
    expect(listener).toHaveBeenCalledTimes(1);
    expect(all.state('a', {})).toMatchObject({ status: 'error', data: undefined, error: { code: 'forbidden' } });
    all.lost(0);
    expect(all.send(MAX)).toEqual([{ type: 'subscribe', stores: [{ id: 2, name: 'a', params: {} }] }]);
    receive(all, subscribed(2, 'a'), snapshot('a', 7));
    expect(all.state('a', {})).toMatchObject({ status: 'live', data: { n: 7 }, error: undefined });
  });

  test('a wish that leads to another key than before keeps its document until the snapshot', () => {
    const { all } = live('a');
    all.lost(0);
    all.send(MAX);
    receive(all, subscribed(2, 'a{"more": null}'));
    expect(all.state('a', {})).toMatchObject({ status: 'stale', data: { n: 0 } });
    receive(all, snapshot('a{"more": null}', 5));
    expect(all.state('a', {})).toMatchObject({ status: 'live', data: { n: 5 } });
  });

  test('a front may give a live subscription another key: frames of the old one are leftovers', () => {
    const { all } = live('a');
    receive(all, subscribed(1, 'a{"more": null}'), update('a', 41, 1));
    expect(all.state('a', {})).toMatchObject({ status: 'stale', data: { n: 0 } });
    receive(all, snapshot('a{"more": null}', 5), update('a', 42, 2), update('a{"more": null}', 41, 6));
    expect(all.state('a', {})).toMatchObject({ status: 'live', data: { n: 6 } });
    expect(all.send(MAX)).toEqual([]);
  });
});

describe('a gap (§3)', () => {
  test('leads to a new subscription without epoch and version, for all that share the key', () => {
    const { all } = live('a');
    all.hold('a', { n: 1 }, vi.fn());
    all.send(MAX);
    receive(all, subscribed(2, 'a', true), update('a', 50, 1));
    expect(all.state('a', {})).toMatchObject({ status: 'stale', data: { n: 0 } });
    expect(all.send(MAX)).toEqual([
      { type: 'unsubscribe', ids: [1, 2] },
      {
        type: 'subscribe',
        stores: [
          { id: 3, name: 'a', params: {} },
          { id: 4, name: 'a', params: { n: 1 } },
        ],
      },
    ]);
    // On their way to the subscriptions that have ended.
    receive(all, update('a', 51, 2), subscribed(1, 'a', true));
    receive(all, subscribed(3, 'a'), snapshot('a', 9), subscribed(4, 'a', true));
    expect(all.state('a', {})).toMatchObject({ status: 'live', data: { n: 9 } });
    expect(all.send(MAX)).toEqual([]);
  });

  test('is also a resume of what was just given up: the front held the key for a subscription that has ended', () => {
    const { all, listener } = live('a');
    all.hold('a', { n: 1 }, vi.fn());
    all.send(MAX);
    all.release('a', {}, listener, 0);
    all.sweep(GRACE_MS);
    expect(all.send(MAX)).toEqual([{ type: 'unsubscribe', ids: [1] }]);
    receive(all, subscribed(2, 'a', true));
    expect(all.send(MAX)).toEqual([
      { type: 'unsubscribe', ids: [2] },
      { type: 'subscribe', stores: [{ id: 3, name: 'a', params: { n: 1 } }] },
    ]);
  });
});

describe('giving up', () => {
  test('a store goes a while after its last listener, and not if another comes', () => {
    const { all, listener } = live('a');
    all.release('a', {}, listener, 1_000);
    expect(all.deadline(0)).toBe(1_000 + GRACE_MS);
    all.sweep(1_000 + GRACE_MS - 1);
    expect(all.send(MAX)).toEqual([]);
    const other = vi.fn();
    all.hold('a', {}, other);
    expect(all.deadline(0)).toBe(Infinity);
    all.release('a', {}, other, 2_000);
    all.sweep(2_000 + GRACE_MS);
    expect(all.send(MAX)).toEqual([{ type: 'unsubscribe', ids: [1] }]);
    receive(all, update('a', 41, 1));
    expect(all.state('a', {})).toMatchObject({ status: 'stale', data: { n: 0 }, version: 41 });
  });

  test('what was sent for a wish that is given up serves another one with the same key', () => {
    const { all, listener } = live('a');
    all.hold('a', { n: 1 }, vi.fn());
    all.send(MAX);
    receive(all, subscribed(2, 'a', true));
    all.lost(0);
    all.send(MAX);
    all.release('a', {}, listener, 0);
    all.sweep(GRACE_MS);
    const resumed = { ...subscribed(3, 'a', true), version: 42 };
    receive(all, resumed, update('a', 41, 1), { ...resumed, id: 4 });
    expect(all.state('a', { n: 1 })).toMatchObject({ status: 'live', data: { n: 1 }, version: 42 });
  });

  test('a listener that leaves twice, or never came, changes nothing', () => {
    const { all, listener } = live('a');
    all.hold('a', {}, vi.fn());
    all.release('a', {}, listener, 0);
    all.release('a', {}, listener, 0);
    all.release('b', {}, listener, 0);
    expect(all.deadline(0)).toBe(Infinity);
  });

  test('ids end with their connection: the next one does not hear of them', () => {
    const { all, listener } = live('a');
    all.release('a', {}, listener, 0);
    all.sweep(GRACE_MS);
    all.lost(0);
    expect(all.send(MAX)).toEqual([]);
  });

  test('what was never asked for is not taken back', () => {
    const all = makeSubscriptions();
    const listener = vi.fn();
    all.hold('a', {}, listener);
    all.release('a', {}, listener, 0);
    all.sweep(GRACE_MS);
    expect(all.send(MAX)).toEqual([]);
  });
});
