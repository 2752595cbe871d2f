// @vitest-environment jsdom
import { act, cleanup, fireEvent, render, screen, waitFor } from '@testing-library/react';
import { Suspense } from 'react';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { DevTools, recorder } from '../src/devtools.ts';
import type { Recorder } from '../src/devtools.ts';
import { createClient, defineAction, defineStore } from '../src/index.ts';
import type { Client } from '../src/index.ts';
import { reject, testServer } from '../src/testing.ts';
import type { TestServer } from '../src/testing.ts';

const list = defineStore<{ items: string[] }>('list');
const append = defineAction<{ item: string }, { item: string }>('append');

let server: TestServer;
let tools: Recorder;
let client: Client;
let leave: () => void;

beforeEach(async () => {
  server = testServer({
    stores: { list: () => ({ items: [] }) },
    actions: {
      append(stores, { item }) {
        if (item === 'no') reject('refused', 'Not this one.');
        stores.update('list', {}, ({ items }) => ({ items: [...items, item] }));
        return { item };
      },
    },
  });
  tools = recorder(server.transport);
  client = createClient({ url: server.url, token: 'ada', transport: tools.transport });
  leave = client.store(list({})).subscribe(() => undefined);
  await waitFor(() => expect(client.store(list({})).get().status).toBe('live'));
});

afterEach(() => {
  cleanup();
  leave();
  void client.close();
});

const items = (): readonly string[] | undefined => client.store(list({})).get().data?.items;

test('every version of a store is kept, and what each action led to', async () => {
  await client.dispatch(append, { item: 'a' }).settled;
  await expect(client.dispatch(append, { item: 'no' })).rejects.toMatchObject({ code: 'refused' });
  const { stores, actions, connected } = tools.get();
  expect(connected).toBe(true);
  expect(stores.map(({ versions }) => versions.map(({ version, document }) => [version, document]))).toEqual([
    [
      [1, { items: [] }],
      [2, { items: ['a'] }],
    ],
  ]);
  expect(actions).toMatchObject([
    { name: 'append', status: 'ok', result: { item: 'a' }, stores: { 'list{}': 2 } },
    { name: 'append', status: 'refused', result: { code: 'refused' } },
  ]);
  expect(actions.every(({ took }) => took !== undefined && took >= 0)).toBe(true);
});

test('offline nothing comes through, and afterwards everything does, once', async () => {
  tools.setOffline(true);
  expect(client.connection.get().state).toBe('waiting');
  const done = client.dispatch(append, { item: 'a' });
  client.connect();
  await waitFor(() => expect(client.connection.get().state).toBe('waiting'));
  expect(server.applied).toEqual([]);
  tools.setOffline(false);
  client.connect();
  await done;
  expect(server.applied).toHaveLength(1);
  expect(tools.get().actions).toMatchObject([{ status: 'ok' }]);
});

test('dropped frames make a gap, which the client heals', async () => {
  tools.setDropping(true);
  server.update('list', {}, () => ({ items: ['lost'] }));
  await waitFor(() => expect(tools.get().dropped).toBe(1));
  expect(items()).toEqual([]);
  tools.setDropping(false);
  server.update('list', {}, ({ items: before }) => ({ items: [...before, 'heard'] }));
  await waitFor(() => expect(items()).toEqual(['lost', 'heard']));
});

test('the panel shows connection, stores, differences and actions, and goes back through versions', async () => {
  render(
    <Suspense>
      <DevTools client={client} recorder={tools} />
    </Suspense>,
  );
  fireEvent.click(await screen.findByRole('button', { name: /^Fluxwire/ }));
  expect(screen.getByRole('status').textContent).toBe('open');
  await act(() => client.dispatch(append, { item: 'a' }).settled);
  await act(() => client.dispatch(append, { item: 'b' }).settled);
  expect(screen.getByLabelText('Document').textContent).toBe(JSON.stringify({ items: ['a', 'b'] }, undefined, 2));
  expect(screen.getByLabelText('Difference').textContent).toBe('replace  − undefined + {"items":["a","b"]}'.replace('undefined', '{"items":["a"]}'));
  fireEvent.change(screen.getByRole('slider'), { target: { value: '0' } });
  expect(screen.getByLabelText('Document').textContent).toBe(JSON.stringify({ items: [] }, undefined, 2));
  await act(() => client.dispatch(append, { item: 'c' }).settled);
  // Who looks back stays there.
  expect(screen.getByLabelText('Document').textContent).toBe(JSON.stringify({ items: [] }, undefined, 2));
  expect(screen.getByLabelText('Actions').querySelectorAll('details')).toHaveLength(3);
  fireEvent.click(screen.getByRole('button', { name: 'Go offline' }));
  expect(screen.getByRole('status').textContent).toContain('waiting');
  fireEvent.click(screen.getByRole('button', { name: 'Go online' }));
  await waitFor(() => expect(screen.getByRole('status').textContent).toBe('open'));
});

test('a store that is held already begins with what the client has of it', async () => {
  tools.clear();
  tools.follow(client);
  expect(tools.get().stores).toMatchObject([{ key: 'list{}', versions: [{ version: 1 }] }]);
  await client.dispatch(append, { item: 'a' }).settled;
  expect(tools.get().stores).toMatchObject([{ versions: [{ version: 1 }, { version: 2 }] }]);
});

test('Redux DevTools hear of each action, with all documents after it', async () => {
  const send = vi.fn();
  vi.stubGlobal('__REDUX_DEVTOOLS_EXTENSION__', { connect: () => ({ init: vi.fn(), send }) });
  const heard = recorder(server.transport);
  const other = createClient({ url: server.url, token: 'bob', transport: heard.transport });
  const stop = other.store(list({})).subscribe(() => undefined);
  await waitFor(() => expect(other.store(list({})).get().status).toBe('live'));
  await other.dispatch(append, { item: 'a' }).settled;
  expect(send).toHaveBeenCalledWith(
    { type: 'append', params: { item: 'a' }, status: 'ok', result: { item: 'a' } },
    { 'list{}': { items: ['a'] } },
  );
  stop();
  void other.close();
  vi.unstubAllGlobals();
});
