import { afterEach, expect, test, vi } from 'vitest';
import { createClient } from '../src/client.ts';
import type { Client } from '../src/client.ts';
import type { Json } from '../src/json.ts';
import { preload } from '../src/preload.ts';
import { defineAction, defineStore } from '../src/refs.ts';
import { reject, testServer } from '../src/testing.ts';
import type { TestServer } from '../src/testing.ts';

interface Room {
  messages: Record<string, { author: string; body: string }>;
}

const room = defineStore<Room, { room: string }>('room');
const count = defineStore<{ count: number }>('count');
const post = defineAction<{ room: string; body: string }, { id: string }>('post');

function server(): TestServer {
  return testServer({
    stores: { room: () => ({ messages: {} }), count: () => ({ count: 0 }) },
    actions: {
      post(stores, { room: name, body }: { room: string; body: string }, { actor, id }) {
        stores.update('count', {}, (document) => ({ count: document.count + 1 }));
        if (body === '') reject('empty', 'Say something.');
        stores.update('room', { room: name }, (document: { messages: Record<string, Json> }) => ({
          messages: { ...document.messages, [id]: { author: actor, body } },
        }));
        return { id };
      },
    },
  });
}

const clients: Client[] = [];

function joins({ url, transport }: TestServer, token: string): Client {
  const client = createClient({ url, token, transport });
  clients.push(client);
  return client;
}

afterEach(() => {
  for (const client of clients.splice(0)) void client.close();
});

test('what one does the other sees, and a commit becomes visible at once', async () => {
  const at = server();
  const [ada, bob] = [joins(at, 'ada'), joins(at, 'bob')];
  const lobby = bob.store(room({ room: 'lobby' }));
  lobby.subscribe(vi.fn());
  const seen: number[] = [];
  bob.store(count({})).subscribe(() => seen.push(Object.keys(lobby.get().data?.messages ?? {}).length));
  await preload(bob, room({ room: 'lobby' }));
  await preload(bob, count({}));
  const { id } = await ada.dispatch(post, { room: 'lobby', body: 'hello' });
  await vi.waitFor(() => expect(lobby.get().data?.messages).toEqual({ [id]: { author: 'ada', body: 'hello' } }));
  expect(seen.at(-1)).toBe(1);
});

test('a refusal takes nothing with it, and what is not there is said', async () => {
  const at = server();
  const ada = joins(at, 'ada');
  await expect(ada.dispatch(post, { room: 'lobby', body: '' })).rejects.toMatchObject({ code: 'empty' });
  expect(await preload(ada, count({}))).toMatchObject({ data: { count: 0 } });
  await expect(ada.dispatch(defineAction('nothing'), {})).rejects.toMatchObject({ code: 'unknown_action' });
  const nothing = await preload(ada, { name: 'nothing', params: {} });
  expect(nothing).toMatchObject({ status: 'error', error: { code: 'unknown_store' } });
});

test('without a network actions wait, and take effect once', async () => {
  const at = server();
  const ada = joins(at, 'ada');
  await preload(ada, count({}));
  at.disconnect();
  expect(ada.connection.get().state).toBe('waiting');
  const posted = ada.dispatch(post, { room: 'lobby', body: 'hello' });
  at.update('count', {}, () => ({ count: 7 }));
  at.reconnect();
  ada.connect();
  await posted.settled;
  expect(at.applied).toEqual([{ name: 'post', params: { room: 'lobby', body: 'hello' }, actor: 'ada' }]);
  expect(await preload(ada, count({}))).toMatchObject({ data: { count: 8 } });
});

test('what a server held is there on the first look, and continues', async () => {
  const at = server();
  const rendering = joins(at, 'ada');
  await preload(rendering, count({}));
  const page = joins(at, 'ada');
  page.hydrate(JSON.parse(JSON.stringify(rendering.dehydrate())));
  expect(page.store(count({})).get()).toMatchObject({ status: 'stale', data: { count: 0 } });
  page.store(count({})).subscribe(vi.fn());
  await vi.waitFor(() => expect(page.store(count({})).get().status).toBe('live'));
});
