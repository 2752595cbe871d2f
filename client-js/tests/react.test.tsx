// @vitest-environment jsdom
import { act, render, screen } from '@testing-library/react';
import { useState } from 'react';
import type { ReactElement } from 'react';
import { expect, test, vi } from 'vitest';
import type { Json } from '../src/json.ts';
import { FluxProvider, useAction, useConnection, useStore } from '../src/react.ts';
import { defineAction, defineStore } from '../src/refs.ts';
import { client, front, settle, wires, within } from './rendering.tsx';

const list = defineStore<{ items: Json[] }, { n?: number | string }>('a');
const both = defineAction<{ item: Json }>('both');

const show = (page: ReactElement): ReturnType<typeof render> => render(within(page));

function Items({ n }: { n?: number }): ReactElement {
  const { status, data } = useStore(list(n === undefined ? {} : { n }));
  return <p data-testid="items">{`${status} ${JSON.stringify(data?.items)}`}</p>;
}

test('a store is pending, then live, and follows each commit', async () => {
  show(<Items />);
  expect(screen.getByTestId('items').textContent).toBe('pending undefined');
  await settle();
  expect(screen.getByTestId('items').textContent).toBe('live []');
  front.commit(['a{}'], 1);
  await settle();
  expect(screen.getByTestId('items').textContent).toBe('live [1]');
});

test('StrictMode mounts twice: one subscription all the same, and none left after the last component', async () => {
  const sent: string[] = [];
  const page = show(<Items />);
  await settle();
  const socket = wires.wire;
  expect(socket).toBeDefined();
  page.unmount();
  vi.advanceTimersByTime(5_000);
  await Promise.resolve();
  sent.push(...(socket?.up ?? []));
  expect(sent).toEqual(['{"type":"unsubscribe","ids":[1]}']);
});

test('a page change keeps the document: the next component shows it at once', async () => {
  const page = show(<Items />);
  await settle();
  page.unmount();
  vi.advanceTimersByTime(4_000);
  show(<Items />);
  expect(screen.getByTestId('items').textContent).toBe('live []');
});

test('other parameters are another store', async () => {
  const page = show(<Items n={1} />);
  await settle();
  front.commit(['a{"n":"1"}'], 'one');
  await settle();
  expect(screen.getByTestId('items').textContent).toBe('live ["one"]');
  page.rerender(
    <FluxProvider client={client}>
      <Items n={2} />
    </FluxProvider>,
  );
  expect(screen.getByTestId('items').textContent).toBe('pending undefined');
  await settle();
  expect(screen.getByTestId('items').textContent).toBe('live []');
});

test('a component renders once for a commit of two of its stores, and sees both of it', async () => {
  const seen: string[] = [];
  function Two(): ReactElement {
    const first = useStore(list({})).data?.items.length;
    const second = useStore(defineStore<{ items: Json[] }>('b')({})).data?.items.length;
    seen.push(`${first} ${second}`);
    return <p />;
  }
  render(
    <FluxProvider client={client}>
      <Two />
    </FluxProvider>,
  );
  await settle();
  seen.length = 0;
  front.commit(['a{}', 'b{}'], 1);
  await settle();
  expect(seen).toEqual(['1 1']);
});

test('an action comes back with its reply, by the same function on each render', async () => {
  const functions = new Set<unknown>();
  function Button(): ReactElement {
    const post = useAction(both);
    const [reply, setReply] = useState('');
    functions.add(post);
    const click = (): void => void post({ item: 'x' }).then((got) => setReply(JSON.stringify(got)));
    return <button onClick={click}>{reply}</button>;
  }
  show(<Button />);
  await settle();
  // While it mounts a component, StrictMode of React 18 remembers nothing from one call of it to the other.
  functions.clear();
  act(() => screen.getByRole('button').click());
  await settle();
  expect(screen.getByRole('button').textContent).toBe('{"item":"x"}');
  expect(functions.size).toBe(1);
});

test('the connection can be shown', async () => {
  function Line(): ReactElement {
    return <p role="status">{useConnection().state}</p>;
  }
  show(<Line />);
  expect(screen.getByRole('status').textContent).toBe('connecting');
  await settle();
  expect(screen.getByRole('status').textContent).toBe('open');
  act(() => void wires.cut());
  expect(screen.getByRole('status').textContent).toBe('waiting');
});

test('a browser that is online again does not sit out the back-off, and a closed client stays closed', async () => {
  await settle();
  wires.cut();
  window.dispatchEvent(new Event('online'));
  await settle();
  expect(client.connection.get().state).toBe('open');
  client.close();
  window.dispatchEvent(new Event('online'));
  await settle();
  expect(client.connection.get().state).toBe('closed');
});
