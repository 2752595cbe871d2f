import { describe, expect, test } from 'vitest';
import type { Snapshot, Subscribed, Update } from '../src/frames.ts';
import { Store } from '../src/store.ts';

const snapshot = (version: number, epoch = 'e'): Snapshot => ({
  ...{ type: 'snapshot', store: 's', epoch, version },
  document: { at: version },
});
const update = (from: number, to: number, epoch = 'e'): Update => ({
  ...{ type: 'update', store: 's', epoch, from, to },
  patch: [{ op: 'replace', path: '/at', value: to }],
});
const subscribed = (version: number, resumed: boolean, epoch = 'e'): Subscribed => ({
  ...{ type: 'subscribed', id: 1, store: 's', epoch, version, resumed },
});

/** A store that is fed and at a version. */
function storeAt(version: number): Store {
  const store = new Store('s');
  store.begin(subscribed(version, false));
  store.replace(snapshot(version));
  return store;
}

describe('an update (§3)', () => {
  test('is applied where the last one ended, also over several versions', () => {
    const store = storeAt(4);
    expect(store.update(update(4, 9))).toBe(true);
    expect([store.version, store.document]).toEqual([9, { at: 9 }]);
  });

  test('is ignored if its version is known already', () => {
    const store = storeAt(4);
    expect(store.update(update(2, 4))).toBe(true);
    expect([store.version, store.document]).toEqual([4, { at: 4 }]);
  });

  test('may be empty: the version moves, the document does not', () => {
    const store = storeAt(4);
    const before = store.document;
    store.update({ ...update(4, 5), patch: [] });
    expect(store.version).toBe(5);
    expect(store.document).toBe(before);
  });

  test.each([
    ['from a later version', update(5, 6)],
    ['from an earlier version beyond the known one', update(3, 6)],
    ['of another epoch', update(4, 5, 'other')],
    ['with a patch that does not fit', { ...update(4, 5), patch: [{ op: 'remove' as const, path: '/nothing' }] }],
  ])('%s is a gap, and changes nothing', (_name, gap) => {
    const store = storeAt(4);
    expect(store.update(gap)).toBe(false);
    expect([store.version, store.document]).toEqual([4, { at: 4 }]);
  });

  test('is ignored while a snapshot is on its way', () => {
    const store = storeAt(4);
    store.pause();
    store.begin(subscribed(8, false));
    expect(store.update(update(7, 8))).toBe(true);
    expect(store.document).toEqual({ at: 4 });
  });
});

describe('live', () => {
  test('from the snapshot on, and not while the connection is lost', () => {
    const store = new Store('s');
    store.begin(subscribed(1, false));
    expect(store.live).toBe(false);
    store.replace(snapshot(1));
    expect(store.live).toBe(true);
    store.pause();
    expect(store.live).toBe(false);
    expect(store.document).toEqual({ at: 1 });
  });

  test('after a resume, once the promised version is reached', () => {
    const store = storeAt(4);
    store.pause();
    expect(store.resume).toEqual({ epoch: 'e', version: 4 });
    expect(store.begin(subscribed(6, true))).toBe(true);
    expect(store.live).toBe(false);
    store.update(update(4, 6));
    expect(store.live).toBe(true);
  });

  test('all the while if a second subscription joins', () => {
    const store = storeAt(4);
    store.begin(subscribed(6, true));
    expect(store.live).toBe(true);
  });
});

describe('a resume', () => {
  test('keeps the old document until the snapshot comes', () => {
    const store = storeAt(4);
    store.pause();
    store.begin(subscribed(1, false, 'new'));
    expect(store.document).toEqual({ at: 4 });
    store.replace(snapshot(1, 'new'));
    expect([store.version, store.document]).toEqual([1, { at: 1 }]);
  });

  test('of what is not held cannot be', () => {
    expect(new Store('s').begin(subscribed(4, true))).toBe(false);
    const store = storeAt(4);
    store.pause();
    expect(store.begin(subscribed(5, true, 'other'))).toBe(false);
  });

  test('after a gap begins from nothing', () => {
    const store = storeAt(4);
    store.forget();
    expect(store.resume).toEqual({});
    expect(store.document).toEqual({ at: 4 });
  });

  test('takes no frames that were on their way to a subscription that has ended', () => {
    const store = storeAt(4);
    store.pause();
    store.replace(snapshot(9));
    store.update(update(4, 5));
    expect([store.version, store.document]).toEqual([4, { at: 4 }]);
  });
});
