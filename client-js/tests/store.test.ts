import { describe, expect, test } from 'vitest';
import type { Snapshot, Subscribed, Update } from '../src/frames.ts';
import { begin, follow, forget, isLive, makeStore, replace } from '../src/store.ts';
import type { Store } from '../src/store.ts';

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
  const store = makeStore('s');
  begin(store, subscribed(version, false));
  replace(store, snapshot(version));
  return store;
}

describe('an update (§3)', () => {
  test('is applied where the last one ended, also over several versions', () => {
    const store = storeAt(4);
    expect(follow(store, update(4, 9))).toBe(true);
    expect([store.position?.version, store.document]).toEqual([9, { at: 9 }]);
  });

  test('is ignored if its version is known already', () => {
    const store = storeAt(4);
    expect(follow(store, update(2, 4))).toBe(true);
    expect([store.position?.version, store.document]).toEqual([4, { at: 4 }]);
  });

  test('may be empty: the version moves, the document does not', () => {
    const store = storeAt(4);
    const before = store.document;
    follow(store, { ...update(4, 5), patch: [] });
    expect(store.position?.version).toBe(5);
    expect(store.document).toBe(before);
  });

  test.each([
    ['from a later version', update(5, 6)],
    ['from an earlier version beyond the known one', update(3, 6)],
    ['of another epoch', update(4, 5, 'other')],
    ['with a patch that does not fit', { ...update(4, 5), patch: [{ op: 'remove' as const, path: '/nothing' }] }],
  ])('%s is a gap, and changes nothing', (_name, gap) => {
    const store = storeAt(4);
    expect(follow(store, gap)).toBe(false);
    expect([store.position?.version, store.document]).toEqual([4, { at: 4 }]);
  });

  test('is ignored while a snapshot is on its way', () => {
    const store = storeAt(4);
    store.feed = 'nothing';
    begin(store, subscribed(8, false));
    expect(follow(store, update(7, 8))).toBe(true);
    expect(store.document).toEqual({ at: 4 });
  });
});

describe('live', () => {
  test('from the snapshot on, and not while the connection is lost', () => {
    const store = makeStore('s');
    begin(store, subscribed(1, false));
    expect(isLive(store)).toBe(false);
    replace(store, snapshot(1));
    expect(isLive(store)).toBe(true);
    store.feed = 'nothing';
    expect(isLive(store)).toBe(false);
    expect(store.document).toEqual({ at: 1 });
  });

  test('after a resume, once the promised version is reached', () => {
    const store = storeAt(4);
    store.feed = 'nothing';
    expect(store.position).toEqual({ epoch: 'e', version: 4 });
    expect(begin(store, subscribed(6, true))).toBe(true);
    expect(isLive(store)).toBe(false);
    follow(store, update(4, 6));
    expect(isLive(store)).toBe(true);
  });

  test('all the while if a second subscription joins', () => {
    const store = storeAt(4);
    begin(store, subscribed(6, true));
    expect(isLive(store)).toBe(true);
  });
});

describe('a resume', () => {
  test('keeps the old document until the snapshot comes', () => {
    const store = storeAt(4);
    store.feed = 'nothing';
    begin(store, subscribed(1, false, 'new'));
    expect(store.document).toEqual({ at: 4 });
    replace(store, snapshot(1, 'new'));
    expect([store.position?.version, store.document]).toEqual([1, { at: 1 }]);
  });

  test('of what is not held cannot be', () => {
    expect(begin(makeStore('s'), subscribed(4, true))).toBe(false);
    const store = storeAt(4);
    store.feed = 'nothing';
    expect(begin(store, subscribed(5, true, 'other'))).toBe(false);
  });

  test('after a gap begins from nothing', () => {
    const store = storeAt(4);
    forget(store);
    expect(store.position).toBeUndefined();
    expect(store.document).toEqual({ at: 4 });
  });

  test('takes no frames that were on their way to a subscription that has ended', () => {
    const store = storeAt(4);
    store.feed = 'nothing';
    replace(store, snapshot(9));
    follow(store, update(4, 5));
    expect([store.position?.version, store.document]).toEqual([4, { at: 4 }]);
  });
});
