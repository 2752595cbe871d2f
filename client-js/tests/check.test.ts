import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { check, hashOf } from '../src/check.ts';
import { createClient } from '../src/client.ts';
import type { Client } from '../src/client.ts';
import type { Up } from '../src/frames.ts';
import type { Json } from '../src/json.ts';
import type { Prediction } from '../src/pending.ts';
import { defineAction, defineStore } from '../src/refs.ts';
import { ModelFront, ModelSession } from './model-front.ts';
import { Wires } from './wire.ts';

interface List {
  items: Json[];
}

const a = defineStore<List>('a');
const both = defineAction<{ item: Json }, { item: Json }>('both');
const options = { url: 'ws://front/ws', token: 't' };

let front: ModelFront;
let wires: Wires;
let client: Client;
/** Happens while a snapshot is on its way. */
let meanwhile: () => Promise<void>;

beforeEach(() => {
  front = new ModelFront();
  wires = new Wires(front);
  client = createClient({ ...options, transport: wires.transport });
  meanwhile = async () => undefined;
  vi.stubGlobal('fetch', async (_address: URL, { body }: { body: string }) => {
    const session = new ModelSession(front);
    for (const frame of JSON.parse(body) as Up[]) session.receive(JSON.stringify(frame));
    session.close();
    await meanwhile();
    return new Response(`[${session.down.join(',')}]`);
  });
});

afterEach(async () => {
  vi.unstubAllGlobals();
  await client.close();
});

/** Carries frames until the check is done. */
async function checked(): ReturnType<typeof check> {
  let done = false;
  const result = check(client, a({}), options).finally(() => (done = true));
  while (!done) {
    await wires.settle();
    await new Promise((resolve) => setTimeout(resolve));
  }
  return result;
}

test('the hash is that of RFC 8785, as the server takes it', async () => {
  const document = JSON.parse('{"b":[1,2.5,"é\\u0007",1e21],"a":{"__proto__":null,"":true}}') as Json;
  expect(await hashOf(document)).toBe('80cd45b88a0fbd473f2034266ec71b0fe9cc3869579077a202f279c487fe368e');
});

test('what is predicted does not count, and what is on its way is waited for', async () => {
  front.commit(['a{}'], 1);
  client.store(a({})).subscribe(() => undefined);
  await wires.settle();
  const optimistic: Prediction<{ item: Json }> = (stores) => stores.update(a({}), () => ({ items: ['predicted'] }));
  client.dispatch(both, { item: 2 }, { optimistic }).catch(() => undefined);
  expect(client.store(a({})).get().data).toEqual({ items: ['predicted'] });
  front.commit(['a{}'], 'not heard of yet');
  let times = 0;
  meanwhile = async () => {
    times += 1;
    if (times === 3) wires.down();
  };
  expect(await check(client, a({}), options)).toMatchObject({ same: true, version: 2 });
  expect(times).toBeGreaterThanOrEqual(3);
});

describe('a document that has parted from the front', () => {
  /** What was shown meanwhile. */
  let shown: string[];

  beforeEach(async () => {
    front.commit(['a{}'], 1);
    const store = client.store(a({}));
    shown = [];
    store.subscribe(() => shown.push(`${store.get().status} ${JSON.stringify(store.get().data?.items)}`));
    await wires.settle();
    shown = [];
  });

  test('is found, and comes anew; what is there is shown until then', async () => {
    front.store('a{}').document.items.push('unheard of');
    const { same, healed, held, expected, renewals } = await checked();
    expect({ same, healed, differ: held !== expected, renewals }).toEqual({ same: false, healed: true, differ: true, renewals: 1 });
    expect(shown).toEqual(['stale [1]', 'live [1,"unheard of"]']);
    expect(await checked()).toMatchObject({ same: true, healed: false, renewals: 1 });
    front.commit(['a{}'], 2);
    await wires.settle();
    expect(client.store(a({})).get().data).toEqual({ items: [1, 'unheard of', 2] });
  });

  test('again and again is only told after three times in an hour', async () => {
    const subscribed = vi.spyOn(client, 'renew');
    for (const [times, healed] of [[1, true], [2, true], [3, true], [3, false], [3, false]] as const) {
      front.store('a{}').document.items.push('unheard of');
      expect(await checked()).toMatchObject({ same: false, healed, renewals: times });
    }
    expect(subscribed).toHaveBeenCalledTimes(3);
  });
});

test('a store that may not be read is told', async () => {
  const result = expect(check(client, defineStore('secret')({}), options)).rejects.toThrow();
  await wires.settle();
  await result;
});
