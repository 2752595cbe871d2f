import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { createClient } from '../src/client.ts';
import type { Client, ClientOptions } from '../src/client.ts';
import type { Json, JsonObject } from '../src/json.ts';
import { defineAction, defineStore } from '../src/refs.ts';
import { ModelFront } from './model-front.ts';
import { turn, Wires } from './wire.ts';

interface List {
  items: Json[];
}

const a = defineStore<List>('a');
const secret = defineStore<List>('secret');
const both = defineAction<{ item: Json }, { item: Json }>('both');
const refuse = defineAction<Record<never, never>>('refuse');

let front: ModelFront;
let wires: Wires;

function client(token: ClientOptions['token'] = 't'): Client {
  return createClient({ url: 'ws://front/ws', token, transport: wires.transport });
}

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
  front = new ModelFront();
  wires = new Wires(front);
});

afterEach(() => {
  vi.useRealTimers();
});

describe('a token that ends', () => {
  /** A token as far as a client reads it. */
  function tokenFor(seconds: number): string {
    return `h.${btoa(JSON.stringify({ sub: 'ada', exp: Date.now() / 1_000 + seconds, 'ü': 'ÿ' }))}.s`;
  }

  test('is renewed on the connection that is there', async () => {
    const tokens = [tokenFor(20), 'h.no claims.s'];
    const token = vi.fn(async () => tokens.shift() ?? '');
    const at = client(token);
    await wires.settle();
    vi.advanceTimersByTime(15_000);
    await wires.settle();
    expect(token).toHaveBeenCalledTimes(1);
    vi.advanceTimersByTime(2_000);
    await turn();
    expect(wires.wire?.up).toEqual(['{"type":"refresh","token":"h.no claims.s"}']);
    expect(token).toHaveBeenCalledTimes(2);
    expect(at.connection.get().state).toBe('open');
  });

  test('in a year is no matter for a timer of today', async () => {
    const token = vi.fn(async () => tokenFor(366 * 86_400));
    client(token);
    await wires.settle();
    expect(vi.getTimerCount()).toBe(1);
    expect(token).toHaveBeenCalledTimes(1);
  });
});

describe('actions', () => {
  test('a reply is what the action returned; a refusal is a FluxError with its code', async () => {
    const at = client();
    const reply = at.dispatch(both, { item: 1 });
    const refusal = expect(at.dispatch(refuse, {})).rejects.toMatchObject({ name: 'FluxError', code: 'no' });
    await wires.settle();
    expect(await reply).toEqual({ item: 1 });
    await refusal;
  });

  test('brought without a connection, they wait for it; what they were is what they stay', async () => {
    wires.reachable = false;
    const at = client();
    const params = { item: { n: 1 } };
    const reply = at.dispatch(both, params);
    params.item.n = 2;
    await wires.settle();
    wires.reachable = true;
    vi.advanceTimersByTime(60_000);
    await wires.settle();
    expect(await reply).toEqual({ item: { n: 1 } });
  });

  test('parameters that are no JSON object are refused here: they would cost the connection', async () => {
    const at = client();
    await expect(at.dispatch({ name: 'both' }, [] as object)).rejects.toThrow(TypeError);
    await expect(at.dispatch({ name: 'both' }, { big: 1n })).rejects.toThrow(TypeError);
    expect(() => at.store({ name: 'a', params: [] as unknown as JsonObject })).toThrow(TypeError);
  });

  test('what is longer than this front takes is refused here, and costs nobody else anything', async () => {
    front.maxFrame = 300;
    const at = client();
    const listener = vi.fn<() => void>();
    const long = { name: 'a', params: { text: 'x'.repeat(300) } };
    at.store(long).subscribe(listener);
    const action = expect(at.dispatch(both, { item: 'x'.repeat(300) })).rejects.toMatchObject({ code: 'too_large' });
    const next = at.dispatch(both, { item: 1 });
    await wires.settle();
    await action;
    expect(await next).toEqual({ item: 1 });
    expect(at.store(long).get()).toMatchObject({ status: 'error', error: { code: 'too_large' } });
    at.store({ ...long, name: 'b' }).subscribe(listener);
    listener.mockClear();
    await wires.settle();
    expect(listener).toHaveBeenCalledTimes(1);
  });

  test('an expired client id is replaced on a new connection, and the action takes effect once', async () => {
    const at = client();
    await wires.settle();
    void at.dispatch(both, { item: 1 });
    await wires.settle();
    const before = wires.wire?.session.client;
    front.expire();
    const reply = at.dispatch(both, { item: 2 });
    await wires.settle();
    expect(await reply).toEqual({ item: 2 });
    expect(wires.wire?.session.client).not.toBe(before);
    expect(front.appended).toEqual([1, 2]);
    expect(wires.most).toBe(1);
  });

  test('closing rejects what has no outcome, and everything after', async () => {
    const at = client();
    const waiting = expect(at.dispatch(both, { item: 1 })).rejects.toMatchObject({ code: 'closed' });
    at.close();
    await waiting;
    await expect(at.dispatch(both, { item: 1 })).rejects.toMatchObject({ code: 'closed' });
    at.connect();
    await wires.settle();
    expect(wires.live.size).toBe(0);
    expect(at.connection.get().state).toBe('closed');
  });
});

describe('stores', () => {
  test('the subscriptions of one turn leave in one frame', async () => {
    const at = client();
    await wires.settle();
    at.store(a({})).subscribe(vi.fn());
    at.store(secret({})).subscribe(vi.fn());
    await turn();
    expect(wires.wire?.up).toHaveLength(1);
  });

  test('one listener given twice counts twice', async () => {
    const at = client();
    const listener = vi.fn<() => void>();
    const [leave] = [at.store(a({})).subscribe(listener), at.store(a({})).subscribe(listener)];
    leave();
    vi.advanceTimersByTime(60_000);
    await wires.settle();
    front.commit(['a{}'], 1);
    await wires.settle();
    expect(at.store(a({})).get()).toMatchObject({ status: 'live', data: { items: [1] } });
  });

  test('a page that takes long to show an update has a rest, and then sees all that came meanwhile', async () => {
    const at = client();
    const shown: number[] = [];
    const store = at.store(a({}));
    await wires.settle();
    store.subscribe(() => {
      shown.push(store.get().data?.items.length ?? -1);
      vi.advanceTimersByTime(5);
    });
    await wires.settle();
    vi.advanceTimersByTime(10);
    for (let item = 1; item <= 4; item += 1) {
      front.commit(['a{}'], item);
      while (wires.down());
      await turn();
    }
    expect(shown).toEqual([0, 1]);
    // What one does oneself is shown at once, and with it everything that came; so is its outcome.
    const done = at.dispatch(both, { item: 'mine' });
    await wires.settle();
    await done;
    expect(shown).toEqual([0, 1, 4, 5]);
    front.commit(['a{}'], 6);
    while (wires.down());
    expect(shown).toEqual([0, 1, 4, 5]);
    vi.advanceTimersByTime(10);
    expect(shown).toEqual([0, 1, 4, 5, 6]);
  });

  test('a store that nobody listens to is given up after a while', async () => {
    const at = client();
    const leave = at.store(a({})).subscribe(vi.fn());
    await wires.settle();
    leave();
    leave();
    vi.advanceTimersByTime(4_999);
    await wires.settle();
    expect(at.store(a({})).get().status).toBe('live');
    vi.advanceTimersByTime(1);
    await turn();
    expect(wires.wire?.up).toEqual(['{"type":"unsubscribe","ids":[1]}']);
    expect(at.store(a({})).get().status).toBe('stale');
  });

  test('what may not be read is an error', async () => {
    const at = client();
    at.store(secret({})).subscribe(vi.fn());
    await wires.settle();
    expect(at.store(secret({})).get()).toMatchObject({ status: 'error', error: { code: 'forbidden' } });
  });

  test('the document stays on the screen while the connection is away', async () => {
    const at = client();
    const store = at.store(a({}));
    store.subscribe(vi.fn());
    front.commit(['a{}'], 1);
    await wires.settle();
    wires.cut();
    expect(store.get()).toMatchObject({ status: 'stale', data: { items: [1] } });
    front.commit(['a{}'], 2);
    await turn();
    vi.advanceTimersByTime(1_000);
    await wires.settle();
    expect(store.get()).toMatchObject({ status: 'live', data: { items: [1, 2] } });
  });
});

describe('the connection', () => {
  test('says how it is, and tells only when that has changed', async () => {
    const at = client();
    const states: string[] = [];
    const leave = at.connection.subscribe(() => states.push(at.connection.get().state));
    await wires.settle();
    wires.cut(4200, 'away');
    expect(at.connection.get()).toEqual({ state: 'waiting', code: 4200, reason: 'away' });
    vi.advanceTimersByTime(1_000);
    await wires.settle();
    wires.cut(4003);
    leave();
    at.close();
    expect(states).toEqual(['open', 'waiting', 'connecting', 'open', 'stopped']);
  });

  test('asks for a token each time, and for a fresh one when it is refused', async () => {
    const token = vi.fn(async () => 't');
    const at = client(token);
    await wires.settle();
    wires.cut(4101);
    vi.advanceTimersByTime(1_000);
    await wires.settle();
    expect(at.connection.get().state).toBe('open');
    expect(token).toHaveBeenCalledTimes(2);
  });

  test('a token that cannot be had is asked for again', async () => {
    const token = vi.fn(async () => 't').mockRejectedValueOnce(new Error('away'));
    const at = client(token);
    await wires.settle();
    expect(at.connection.get().state).toBe('waiting');
    vi.advanceTimersByTime(1_000);
    await wires.settle();
    expect(at.connection.get().state).toBe('open');
  });

  test('does not sit out its back-off when told to connect', async () => {
    const at = client();
    await wires.settle();
    wires.cut();
    at.connect();
    await wires.settle();
    expect(at.connection.get().state).toBe('open');
  });

  test('pings when it hears nothing', async () => {
    client();
    await wires.settle();
    vi.advanceTimersByTime(25_000);
    expect(wires.wire?.up).toEqual(['{"type":"ping"}']);
    await wires.settle();
    vi.advanceTimersByTime(24_999);
    expect(wires.wire?.up).toEqual([]);
  });

  test('an address that is none is refused at once', () => {
    expect(() => createClient({ url: 'nowhere', token: 't' })).toThrow(TypeError);
  });
});
