/**
 * The client in a browser whose network, storage and tabs are against it; on blank pages of a front.
 *
 * Words: the address of the fronts, tokens of ada and of bob.
 */
import { rolldown } from 'rolldown';
import { ask, equal, LIMIT_MS, loaded, step } from './scenario.mjs';

const files = await built('index', 'persist', 'tabs', 'upgrade');

/** The client's entries as an application would ship them: texts by file name. */
async function built(...entries) {
  const input = entries.map((name) => [name, new URL(`../../client-js/src/${name}.ts`, import.meta.url).pathname]);
  const bundle = await rolldown({ input: Object.fromEntries(input) });
  const { output } = await bundle.generate({ format: 'esm' });
  return new Map(output.map(({ fileName, code }) => [fileName, code]));
}

/** A browser of its own; its pages count their WebSockets. */
async function device(browser, prepare = () => undefined) {
  const context = await browser.newContext();
  context.setDefaultTimeout(LIMIT_MS);
  await context.route('**/client/*.js', async (route) => {
    const name = new URL(route.request().url()).pathname.split('/').at(-1);
    await route.fulfill({ contentType: 'text/javascript', body: files.get(name) });
  });
  await context.addInitScript(prepare);
  return context;
}

/** A page with a client of somebody, who is in the room and looks at it. */
async function opens(context, url, token, room, words = {}, again = undefined) {
  const page = again ?? (await context.newPage());
  page.sockets = 0;
  page.on('websocket', () => (page.sockets += 1));
  await loaded(() => page.goto(`${url}/healthz`));
  await page.evaluate(
    async ([token, room, { shared = false, actor, upgrading = false }]) => {
      const { createClient } = await import('/client/index.js');
      const { persist } = await import('/client/persist.js');
      const { tabs } = await import('/client/tabs.js');
      const { tokenInUpgrade } = await import('/client/upgrade.js');
      globalThis.errors = [];
      globalThis.client = createClient({
        url: `${location.origin.replace('http', 'ws')}/ws`,
        token,
        ...(shared && { transport: tabs() }),
        ...(upgrading && { transport: tokenInUpgrade() }),
        ...(actor && { persistence: persist({ actor, onError: (error) => globalThis.errors.push(String(error)) }) }),
      });
      globalThis.store = client.store({ name: 'room', params: { room } });
      store.subscribe(() => undefined);
      globalThis.post = (body) => client.dispatch({ name: 'post_message' }, { room, body });
      globalThis.bodies = () => {
        const messages = Object.values(store.get().data?.messages ?? {});
        return messages.sort((a, b) => (a.sent_at < b.sent_at ? -1 : 1)).map(({ body }) => body);
      };
      void client.dispatch({ name: 'join_room' }, { room }).catch(() => undefined);
    },
    [token, room, words],
  );
  return page;
}

const live = (page) => page.waitForFunction(() => globalThis.store.get().status === 'live');
const shows = (page, count) =>
  page.waitForFunction((wanted) => globalThis.store.get().status === 'live' && bodies().length === wanted, count);
const bodies = (page) => page.evaluate(() => globalThis.bodies());
const sockets = (pages) => pages.reduce((sum, page) => sum + page.sockets, 0);

/** In the page: WebSockets are swallowed, as by a proxy that never completes an upgrade, or refused. */
function blocked() {
  globalThis.WebSocket = class {
    static OPEN = 1;
    readyState = 0;
    constructor() {
      globalThis.tried = (globalThis.tried ?? 0) + 1;
      setTimeout(() => this.onclose?.({ code: 1006, reason: '' }));
    }
    send() {}
    close() {}
  };
}

/** A room, and a page of somebody who made it. */
async function create(browser, url, token, room) {
  const page = await opens(await device(browser), url, token, room);
  await page.evaluate((room) => client.dispatch({ name: 'create_room' }, { room }), room);
  await page.evaluate((room) => client.dispatch({ name: 'join_room' }, { room }), room);
  await live(page);
  return page;
}

export default async function network(browser, url, ada, bob) {
  await step('where WebSocket is blocked another way is found, and remembered for the next page', async () => {
    const other = await create(browser, url, bob, 'blocked');
    const context = await device(browser, blocked);
    let page = await opens(context, url, ada, 'blocked');
    await live(page);
    await page.evaluate(() => Promise.all(['one', 'two'].map((body) => post(body))));
    await other.evaluate(() => post('three'));
    await Promise.all([shows(page, 3), shows(other, 3)]);
    equal(await bodies(page), ['one', 'two', 'three']);
    await page.waitForFunction(() => localStorage.length === 1);
    await page.close();
    page = await opens(context, url, ada, 'blocked');
    await shows(page, 3);
    equal(await page.evaluate(() => globalThis.tried ?? 0), 0);
    await Promise.all([context.close(), other.context().close()]);
  });

  await step('a token goes with the upgrade, in no frame; a wrong one is refused', async () => {
    const other = await create(browser, url, bob, 'upgrade');
    const context = await device(browser);
    const said = [];
    context.on('page', (page) =>
      page.on('websocket', (socket) => socket.on('framesent', ({ payload }) => said.push(payload))),
    );
    const page = await opens(context, url, ada, 'upgrade', { upgrading: true });
    await page.evaluate(() => post('one').settled);
    await Promise.all([shows(page, 1), shows(other, 1)]);
    equal(JSON.parse(said[0]).type, 'hello');
    equal(said.filter((text) => text.includes(ada)), []);
    await opens(context, url, `${ada.slice(0, -8)}AAAAAAAA`, 'upgrade', { upgrading: true }, page);
    await page.waitForFunction(() => client.connection.get().state === 'signed out');
    await Promise.all([context.close(), other.context().close()]);
  });

  await step('three tabs share a connection; when the one that holds it closes, each message is there once', async () => {
    const other = await create(browser, url, bob, 'tabs');
    const context = await device(browser);
    const pages = [];
    for (let tab = 0; tab < 3; tab += 1) pages.push(await opens(context, url, ada, 'tabs', { shared: true }));
    await Promise.all(pages.map(live));
    equal(sockets(pages), 1);
    await Promise.all(pages.map((page, tab) => page.evaluate((body) => post(body), `first ${tab}`)));
    await Promise.all(pages.map((page) => shows(page, 3)));
    const [leader, ...rest] = pages;
    const posts = rest.map((page, tab) => page.evaluate((body) => post(body), `second ${tab}`));
    await leader.close();
    await Promise.all(posts);
    await Promise.all([...rest, other].map((page) => shows(page, 5)));
    equal(await bodies(rest[0]), await bodies(other));
    equal(await bodies(rest[1]), await bodies(other));
    equal(sockets(rest), 1);
    // Somebody else in the same browser has a connection of his own.
    const stranger = await opens(context, url, bob, 'tabs', { shared: true });
    await live(stranger);
    equal(stranger.sockets, 1);
    await Promise.all([context.close(), other.context().close()]);
  });

  await step('while somebody writes, his network goes, fronts are killed and the page is loaded anew: all once, in order', async () => {
    const other = await create(browser, url, bob, 'typing');
    const context = await device(browser);
    const page = await opens(context, url, ada, 'typing', { actor: 'ada' });
    await live(page);
    const write = (from, to) =>
      page.evaluate(([from, to]) => {
        for (let number = from; number < to; number += 1) void post(`message ${number}`).catch(() => undefined);
      }, [from, to]);
    await write(0, 5);
    await context.setOffline(true);
    await write(5, 10);
    await context.setOffline(false);
    await write(10, 15);
    await ask('kill', 'front');
    await write(15, 20);
    await opens(context, url, ada, 'typing', { actor: 'ada' }, page);
    await page.evaluate(() => post('message 20'));
    await Promise.all([shows(page, 21), shows(other, 21)]);
    equal(await bodies(other), Array.from({ length: 21 }, (_value, number) => `message ${number}`));
    equal(await bodies(page), await bodies(other));
    await Promise.all([context.close(), other.context().close()]);
  });

  await step('a full device, and one full of rubbish, cost nothing but what they cannot keep', async () => {
    const other = await create(browser, url, bob, 'device');
    const full = await device(browser, () => {
      IDBObjectStore.prototype.put = () => {
        throw new DOMException('The quota is used up.', 'QuotaExceededError');
      };
    });
    const rubbish = await device(browser);
    const before = await opens(rubbish, url, ada, 'device', { actor: 'ada' });
    await live(before);
    await before.evaluate(async () => {
      await client.close();
      const database = await new Promise((resolve) => {
        const request = indexedDB.open('fluxwire', 1);
        request.onsuccess = () => resolve(request.result);
      });
      const writing = database.transaction('kept', 'readwrite');
      const keys = await new Promise((resolve) => {
        const request = writing.objectStore('kept').getAllKeys();
        request.onsuccess = () => resolve(request.result);
      });
      if (keys.length === 0) throw new Error('nothing was kept');
      for (const key of keys) writing.objectStore('kept').put({ epoch: 7, document: 'rubbish', params: [] }, key);
      await new Promise((resolve) => (writing.oncomplete = resolve));
      database.close();
    });
    await before.close();
    for (const context of [full, rubbish]) {
      const page = await opens(context, url, ada, 'device', { actor: 'ada' });
      await page.evaluate(() => post('here').settled);
      await live(page);
      equal((await page.evaluate(() => globalThis.errors)).length > 0, context === full);
    }
    await shows(other, 2);
    await Promise.all([full, rubbish, other.context()].map((context) => context.close()));
  });
}
