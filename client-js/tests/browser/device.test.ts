/** What a device keeps and how its tabs divide it, in a real browser: IndexedDB, Web Locks and BroadcastChannel are its own. */
import { afterEach, expect, test, vi } from 'vitest';
import { createClient } from '../../src/client.ts';
import type { Client, ClientOptions } from '../../src/client.ts';
import { persist } from '../../src/persist.ts';
import type { DevicePersistence, PersistOptions } from '../../src/persist.ts';
import { defineAction, defineStore } from '../../src/refs.ts';
import { indexedDbStorage } from '../../src/storage.ts';
import { tabs } from '../../src/tabs.ts';
import { testServer } from '../../src/testing.ts';
import type { TestServer } from '../../src/testing.ts';

interface List {
  items: string[];
}

const list = defineStore<List>('list');
const add = defineAction<{ item: string }>('add');

/** One front for the page and its frames; every test has stores, databases and locks of its own. */
function makeServer(): TestServer {
  return testServer({
    stores: { list: () => ({ items: [] }) },
    actions: {
      add(stores, { item }: { item: string }) {
        stores.update('list', {}, ({ items }: List) => ({ items: [...items, item] }));
        return null;
      },
    },
  });
}

let clients: Client[] = [];
let names = 0;

/** A storage that nothing else has used. */
const database = (): string => `test ${(names += 1)} ${performance.now()}`;

interface Opened {
  client: Client;
  kept: DevicePersistence;
  errors: unknown[];
  shown: () => string[] | undefined;
}

function opens(server: TestServer, name: string, actor = 'ada', more: Partial<ClientOptions & PersistOptions> = {}): Opened {
  const errors: unknown[] = [];
  const kept = persist({ actor, storage: indexedDbStorage(name), onError: (error) => errors.push(error), ...more });
  const { url, transport } = server;
  const client = createClient({ url, token: actor, transport, persistence: kept, ...more });
  clients.push(client);
  const store = client.store(list({}));
  store.subscribe(() => undefined);
  return { client, kept, errors, shown: () => store.get().data?.items };
}

const open = (name: string): Promise<IDBDatabase> =>
  new Promise((resolve, reject) => {
    const request = indexedDB.open(name, 1);
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });

afterEach(async () => {
  vi.restoreAllMocks();
  await Promise.all(clients.map((client) => client.close()));
  clients = [];
});

test('documents are there after a reload, before any connection, and actions of before it go first and once', async () => {
  const [server, name] = [makeServer(), database()];
  const first = opens(server, name);
  await first.client.dispatch(add, { item: 'one' }).settled;
  server.disconnect();
  first.client.dispatch(add, { item: 'two' }).catch(() => undefined);
  await vi.waitFor(() => expect(first.kept.writing).toBeUndefined());
  await first.client.close();

  const second = opens(server, name);
  await vi.waitFor(() => expect(second.shown()).toEqual(['one']));
  expect(second.client.connection.get().state).not.toBe('open');
  expect(second.client.pending.get().map(({ params }) => params)).toEqual([{ item: 'two' }]);
  server.reconnect();
  second.client.connect();
  await second.client.dispatch(add, { item: 'three' }).settled;
  expect(server.applied.map(({ params }) => params['item'])).toEqual(['one', 'two', 'three']);
  expect([second.shown(), second.errors]).toEqual([['one', 'two', 'three'], []]);
});

test('two users of one browser never see or send what is the other one\'s; signing out leaves nothing', async () => {
  const [server, name] = [makeServer(), database()];
  const ada = opens(server, name);
  await ada.client.dispatch(add, { item: 'of ada' }).settled;
  server.disconnect();
  ada.client.dispatch(add, { item: 'unsent' }).catch(() => undefined);
  await vi.waitFor(() => expect(ada.kept.writing).toBeUndefined());
  const bob = opens(server, name, 'bob');
  await vi.waitFor(() => expect(bob.client.connection.get().state).toBe('waiting'));
  expect([bob.shown(), bob.client.pending.get()]).toEqual([undefined, []]);
  await ada.client.close({ wipe: true });
  await bob.client.close();
  await expect(indexedDbStorage(name).list('"ada"')).resolves.toEqual([]);
});

test('what one tab leaves when it ends its neighbour takes over, by the browser\'s own locks', async () => {
  const [server, name] = [makeServer(), database()];
  server.disconnect();
  const [one, other] = [opens(server, name), opens(server, name)];
  for (const { client } of [one, other]) await vi.waitFor(() => expect(client.connection.get().state).toBe('waiting'));
  // Neither had anything when the other one opened.
  one.client.dispatch(add, { item: 'left' }).catch(() => undefined);
  await vi.waitFor(() => expect(one.kept.writing).toBeUndefined());
  expect(other.client.pending.get()).toEqual([]);
  await one.client.close();
  await vi.waitFor(() => expect(other.client.pending.get()).toHaveLength(1));
  server.reconnect();
  other.client.connect();
  await vi.waitFor(() => expect(other.shown()).toEqual(['left']));
  expect(server.applied).toHaveLength(1);
});

test('a full device, and one full of rubbish, cost nothing but what they cannot keep', async () => {
  const [server, name] = [makeServer(), database()];
  const before = opens(server, name);
  await before.client.dispatch(add, { item: 'one' }).settled;
  await before.client.close();
  const broken = await open(name);
  const writing = broken.transaction('kept', 'readwrite').objectStore('kept');
  const keys = writing.getAllKeys();
  keys.onsuccess = () => {
    for (const key of keys.result) writing.put({ epoch: 7, document: 'rubbish', params: [] }, key);
  };
  await new Promise((resolve) => (writing.transaction.oncomplete = resolve));
  expect(keys.result.length).toBeGreaterThan(0);
  broken.close();
  const rubbish = opens(server, name);
  await rubbish.client.dispatch(add, { item: 'two' }).settled;
  expect([rubbish.shown(), rubbish.errors]).toEqual([['one', 'two'], []]);

  vi.spyOn(IDBObjectStore.prototype, 'put').mockImplementation(() => {
    throw new DOMException('The quota is used up.', 'QuotaExceededError');
  });
  const full = opens(server, database());
  await full.client.dispatch(add, { item: 'three' }).settled;
  expect(full.shown()).toEqual(['one', 'two', 'three']);
  expect(String(full.errors[0])).toContain('QuotaExceededError');
});

test('a database that a later version of the page has changed is told; the client works on', async () => {
  const [server, name] = [makeServer(), database()];
  const later = await new Promise<IDBDatabase>((resolve) => {
    const request = indexedDB.open(name, 9);
    request.onsuccess = () => resolve(request.result);
  });
  later.close();
  const { client, errors, shown } = opens(server, name);
  await client.dispatch(add, { item: 'one' }).settled;
  expect(shown()).toEqual(['one']);
  expect(String(errors[0])).toContain('VersionError');
});

test('tabs of one user share a connection by locks and channels of the browser; another user\'s does not', async () => {
  const server = makeServer();
  const sockets: string[] = [];
  // Claims of a token, as tabs read them to tell users apart.
  const tokenOf = (sub: string): string => `a.${btoa(JSON.stringify({ sub }))}.c`;
  const tab = (actor: string): Client => {
    const token = tokenOf(actor);
    const transport = tabs({
      transport: (url, listener, failures) => {
        sockets.push(actor);
        return server.transport(url, listener, failures);
      },
    });
    const client = createClient({ url: server.url, token, transport });
    clients.push(client);
    client.store(list({})).subscribe(() => undefined);
    return client;
  };
  const live = (client: Client): Promise<void> =>
    vi.waitFor(() => expect(client.store(list({})).get().status).toBe('live'), { timeout: 5_000 });
  const leader = tab('ada');
  await live(leader);
  const [follower, stranger] = [tab('ada'), tab('bob')];
  await Promise.all([live(follower), live(stranger)]);
  expect(sockets).toEqual(['ada', 'bob']);
  server.update('list', {}, () => ({ items: ['seen by all'] }));
  for (const client of [leader, follower, stranger]) {
    await vi.waitFor(() => expect(client.store(list({})).get().data).toEqual({ items: ['seen by all'] }));
  }
  await leader.close();
  await live(follower);
  server.update('list', {}, () => ({ items: ['of the next one'] }));
  await vi.waitFor(() => expect(follower.store(list({})).get().data).toEqual({ items: ['of the next one'] }));
  expect(sockets).toEqual(['ada', 'bob', 'ada']);
});
