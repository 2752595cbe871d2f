import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { createClient, predict } from '../src/client.ts';
import type { Client } from '../src/client.ts';
import type { Json } from '../src/json.ts';
import { PATIENCE_MS, SETTLE_MS } from '../src/pending.ts';
import type { Prediction } from '../src/pending.ts';
import { defineAction, defineStore } from '../src/refs.ts';
import { ModelFront } from './model-front.ts';
import { Wires } from './wire.ts';

interface List {
  items: Json[];
}

const a = defineStore<List>('a');
const b = defineStore<List>('b');
const both = defineAction<{ item: Json }, { item: Json }>('both');
const refuse = defineAction<{ item: Json }>('refuse');

/** Shows the item in both lists. */
const inBoth: Prediction<{ item: Json }> = (stores, { item }) => {
  for (const ref of [a({}), b({})]) stores.update(ref, ({ items }) => ({ items: [...items, item] }));
};

let front: ModelFront;
let wires: Wires;
let client: Client;
/** What has been on the screen of `a`, frame by frame. */
let frames: string[];

beforeEach(async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
  front = new ModelFront();
  wires = new Wires(front);
  const transport = wires.transport;
  client = createClient({ url: 'ws://front/ws', token: 't', transport, predictions: [predict(both, inBoth)] });
  frames = [];
  client.store(a({})).subscribe(() => frames.push(shown()));
  client.store(b({})).subscribe(vi.fn());
  await wires.settle();
  frames.length = 0;
});

afterEach(async () => {
  // Nothing is left without an outcome.
  await wires.settle();
  void client.close();
  vi.useRealTimers();
});

const shown = (): string => JSON.stringify(client.store(a({})).get().data?.items);

describe('a prediction', () => {
  test('shows in the same turn, and stays until the stores have what the action did: never twice, never not', async () => {
    for (const outcomeFirst of [false, true]) {
      front.outcomeFirst = outcomeFirst;
      frames.length = 0;
      const before = shown();
      const item = `first: ${outcomeFirst}`;
      const done = client.dispatch(both, { item });
      const after = shown();
      expect(after).toBe(before.replace(/\]$/, before === '[]' ? `"${item}"]` : `,"${item}"]`));
      await wires.settle();
      await done.settled;
      expect(new Set(frames)).toEqual(new Set([after]));
      expect(client.pending.get()).toEqual([]);
    }
  });

  test('is run again over what others do meanwhile', async () => {
    void client.dispatch(both, { item: 'mine' });
    front.commit(['a{}'], 'theirs');
    while (wires.down());
    vi.advanceTimersByTime(PATIENCE_MS);
    expect(shown()).toBe('["theirs","mine"]');
    await wires.settle();
    expect(shown()).toBe('["theirs","mine"]');
  });

  test('is gone with the refusal, in the order in which the actions were brought', async () => {
    const refused = client.dispatch(refuse, { item: 1 }, { optimistic: inBoth });
    void client.dispatch(both, { item: 2 });
    expect(shown()).toBe('[1,2]');
    const told = expect(refused).rejects.toMatchObject({ code: 'no' });
    await wires.settle();
    await told;
    expect(shown()).toBe('[2]');
    expect(frames).toEqual(['[1]', '[1,2]', '[2]', '[2]']);
    await expect(refused.settled).rejects.toMatchObject({ code: 'no' });
  });

  test('may be said as operations; those that do not fit are skipped like one that throws', async () => {
    const first: Prediction<{ item: Json }> = (stores, { item }) => {
      stores.patch(a({}), [{ op: 'add', path: '/items/-', value: item }]);
    };
    const second: Prediction<{ item: Json }> = (stores, { item }) => {
      stores.patch(a({}), [{ op: 'replace', path: '/items/1', value: item }]);
    };
    void client.dispatch(both, { item: 1 }, { optimistic: first });
    void client.dispatch(refuse, { item: 'x' }, { optimistic: second }).catch(vi.fn());
    expect(shown()).toBe('[1]');
    front.commit(['a{}'], 'theirs');
    while (wires.down());
    vi.advanceTimersByTime(PATIENCE_MS);
    expect(shown()).toBe('["theirs","x"]');
    await wires.settle();
    expect(shown()).toBe('["theirs",1]');
  });

  test('that throws is skipped, wholly, until it fits again; the action goes on', async () => {
    const picky: Prediction<{ item: Json }> = (stores, { item }) => {
      stores.update(a({}), ({ items }) => ({ items: [...items, item] }));
      stores.update(b({}), ({ items }) => ({ items: [...items, (items[0] as string).length] }));
    };
    const done = client.dispatch(both, { item: 'mine' }, { optimistic: picky });
    expect(shown()).toBe('[]');
    front.commit(['b{}'], 'theirs');
    while (wires.down());
    expect(shown()).toBe('["mine"]');
    await wires.settle();
    expect(await done).toEqual({ item: 'mine' });
    expect(shown()).toBe('["mine"]');
  });

  test('sees the predictions before it, and nothing of stores that nobody holds', () => {
    const c = defineStore<List>('c');
    const change = vi.fn((list: List) => list);
    const seen: unknown[] = [];
    void client.dispatch(both, { item: 1 });
    const look: Prediction<{ item: Json }> = (stores) => {
      seen.push(stores.get(a({}))?.items, stores.get(c({})));
      stores.update(c({}), change);
    };
    void client.dispatch(both, { item: 2 }, { optimistic: look });
    expect(seen).toEqual([[1], undefined]);
    expect(change).not.toHaveBeenCalled();
  });

  test('of another store leaves this one the same object', () => {
    const before = client.store(a({})).get();
    void client.dispatch(both, { item: 1 }, { optimistic: (stores) => stores.update(b({}), () => ({ items: [1] })) });
    expect(client.store(a({})).get()).toBe(before);
  });

  test('outlives a lost connection: what was applied while nobody heard it is there once', async () => {
    const done = client.dispatch(both, { item: 'mine' });
    await Promise.resolve();
    wires.up();
    wires.cut();
    expect(shown()).toBe('["mine"]');
    vi.advanceTimersByTime(1_000);
    await wires.settle();
    await done.settled;
    expect(new Set(frames)).toEqual(new Set(['["mine"]']));
    expect(front.appended).toEqual(['mine']);
  });

  test('does not wait for ever: neither others for its outcome, nor itself for a version that never comes', async () => {
    void client.dispatch(both, { item: 'mine' });
    await Promise.resolve();
    front.commit(['a{}'], 'theirs');
    while (wires.down());
    expect(shown()).toBe('["mine"]');
    vi.advanceTimersByTime(PATIENCE_MS);
    expect(shown()).toBe('["theirs","mine"]');
    const session = wires.wire?.session;
    wires.wire?.up.splice(0);
    session?.say({ type: 'outcome', lane: 0, number: 1, status: 'ok', reply: null, stores: { 'a{}': 99 } });
    await wires.settle();
    expect(client.pending.get()).toMatchObject([{ stage: 'accepted' }]);
    vi.advanceTimersByTime(SETTLE_MS);
    expect(shown()).toBe('["theirs"]');
    expect(client.pending.get()).toEqual([]);
  });
});

describe('actions on their way', () => {
  test('have a stage: local until committed, accepted until every store shows it', async () => {
    front.outcomeFirst = true;
    const stages: string[] = [];
    client.pending.subscribe(() => stages.push(client.pending.get().map(({ stage }) => stage).join()));
    const done = client.dispatch(both, { item: 1 });
    await wires.settle();
    await done.settled;
    expect(stages).toEqual(['local', 'accepted', '']);
  });

  test('without a prediction they settle just the same', async () => {
    const done = client.dispatch({ name: 'append' }, { store: 'a{}', item: 1 });
    await wires.settle();
    await done.settled;
    expect(client.pending.get()).toEqual([]);
  });
});
