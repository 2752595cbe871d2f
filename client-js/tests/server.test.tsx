// @vitest-environment jsdom
import { act, cleanup, render, waitFor } from '@testing-library/react';
import { StrictMode } from 'react';
import type { ReactElement } from 'react';
import { renderToString } from 'react-dom/server';
import { afterEach, expect, test, vi } from 'vitest';
import { createClient, defineStore } from '../src/index.ts';
import type { Client, Transport } from '../src/index.ts';
import { FluxProvider, useConnection, usePagedStore, useStore, useSuspenseStore } from '../src/react.ts';
import { prefetch, rendering } from '../src/server.ts';
import { testServer } from '../src/testing.ts';

const room = defineStore<{ title: string }, { room: string; limit: number }>('room');
const ref = room({ room: 'té & café', limit: 3 });

afterEach(cleanup);

/** A front's HTTP, as docs/http.md has it. */
const front = vi.fn((address: URL, init: RequestInit): Promise<Response> => {
  const found = address.pathname === '/stores/room';
  const headers = { 'fluxwire-epoch': 'test', 'fluxwire-version': '1' };
  const body = found ? { title: 'from before' } : { code: 'unknown_store', detail: 'There is no such store.' };
  expect(init.headers).toEqual({ authorization: 'Bearer ada' });
  return Promise.resolve(new Response(JSON.stringify(body), { status: found ? 200 : 404, headers }));
});
const options = { token: 'ada', fetch: front as unknown as typeof fetch };

function Title(): ReactElement {
  const { data, status } = useStore(ref);
  useConnection();
  return <h1>{`${data?.title} ${status}`}</h1>;
}

const within = (client: Client, page: ReactElement): ReactElement => (
  <StrictMode>
    <FluxProvider client={client}>{page}</FluxProvider>
  </StrictMode>
);

test('a store is asked for as an address, and a refusal is a FluxError', async () => {
  const [kept] = await prefetch('http://front:8000', [ref], options);
  expect(String(front.mock.calls.at(-1)?.[0])).toBe(
    'http://front:8000/stores/room?room=t%C3%A9+%26+caf%C3%A9&limit=3',
  );
  expect(kept).toMatchObject({ name: 'room', epoch: 'test', version: 1, document: { title: 'from before' } });
  const none = { name: 'none', params: {} };
  await expect(prefetch('http://front:8000', [none], options)).rejects.toMatchObject({ code: 'unknown_store' });
});

test('a page is rendered on a server, hydrated without a difference, and goes on without a second snapshot', async () => {
  const stores = await prefetch('http://front:8000', [ref], options);
  const there = rendering(stores);
  const html = renderToString(within(there, <Title />));
  void there.close();
  expect(html).toContain('<h1>from before stale</h1>');

  const server = testServer({ stores: { room: () => ({ title: 'from before' }) } });
  const came: string[] = [];
  const transport: Transport = (url, listener, failures) => {
    const message = (text: string): void => {
      came.push((JSON.parse(text) as { type: string }).type);
      listener.message(text);
    };
    return server.transport(url, { opened: listener.opened, closed: listener.closed, message }, failures);
  };
  const client = createClient({ url: server.url, token: 'ada', transport });
  client.hydrate(JSON.parse(JSON.stringify(stores)) as typeof stores);
  document.body.innerHTML = `<div id="root">${html}</div>`;
  const root = document.getElementById('root') as HTMLElement;
  const heading = root.querySelector('h1');
  const onRecoverableError = vi.fn();
  const page = render(within(client, <Title />), { container: root, hydrate: true, onRecoverableError });
  await waitFor(() => expect(root.textContent).toBe('from before live'));
  // The element of the server's page, not another one.
  expect(root.querySelector('h1')).toBe(heading);
  expect(onRecoverableError).not.toHaveBeenCalled();
  expect(came).toEqual(['welcome', 'subscribed']);
  act(() => server.update('room', ref.params, () => ({ title: 'newer' })));
  await waitFor(() => expect(root.textContent).toBe('newer live'));
  page.unmount();
  void client.close();
});

test('suspended and paged stores are rendered as well', async () => {
  function Both(): ReactElement {
    const { data } = useSuspenseStore(ref);
    const { rows } = usePagedStore({
      newest: ref,
      page: () => ({ name: 'page', params: {} }),
      rows: ({ title }: { title: string }) => [title],
      key: (row) => row,
      cursor: (row) => row,
    });
    return <p>{`${data.title}, ${rows.join()}`}</p>;
  }
  const client = rendering(await prefetch('http://front:8000', [ref], options));
  expect(renderToString(within(client, <Both />))).toBe('<p>from before, from before</p>');
  void client.close();
});
