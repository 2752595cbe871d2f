// @vitest-environment jsdom
import { act, render, screen } from '@testing-library/react';
import { Component, Suspense } from 'react';
import type { ReactElement, ReactNode } from 'react';
import { expect, test, vi } from 'vitest';
import type { Json } from '../src/json.ts';
import { FluxProvider, useAction, usePendingActions, usePreload, useStore, useSuspenseStore } from '../src/react.ts';
import { defineAction, defineStore } from '../src/refs.ts';
import { client, front, settle, text, within } from './rendering.tsx';

const list = defineStore<{ items: Json[] }, { n?: number }>('a');
const secret = defineStore<{ items: Json[] }>('secret');
const both = defineAction<{ item: Json }>('both');

test('a selected part renders again only if it has changed', async () => {
  const renders = vi.fn();
  function Length(): ReactElement {
    const { data } = useStore(list({}), { select: ({ items }) => items.filter((item) => item === 'x').length });
    renders();
    return <p data-testid="text">{data}</p>;
  }
  render(<FluxProvider client={client}>{<Length />}</FluxProvider>);
  await settle();
  expect(text()).toBe('0');
  renders.mockClear();
  front.commit(['a{}'], 'y');
  await settle();
  expect(renders).not.toHaveBeenCalled();
  front.commit(['a{}'], 'x');
  await settle();
  expect(text()).toBe('1');
});

test('a selector may depend on what the component was given', async () => {
  function Item({ at }: { at: number }): ReactElement {
    return <p data-testid="text">{JSON.stringify(useStore(list({}), { select: ({ items }) => items[at] }).data)}</p>;
  }
  front.commit(['a{}'], 'x');
  front.commit(['a{}'], 'y');
  const page = render(within(<Item at={0} />));
  await settle();
  expect(text()).toBe('"x"');
  page.rerender(within(<Item at={1} />));
  expect(text()).toBe('"y"');
});

test('parts that are made anew each time are compared by isEqual', async () => {
  const seen = new Set<unknown>();
  function Items(): ReactElement {
    const select = ({ items }: { items: Json[] }): Json[] => items.filter((item) => item === 'x');
    const { data } = useStore(list({}), { select, isEqual: (a, b) => a.length === b.length });
    seen.add(data);
    return <p data-testid="text">{JSON.stringify(data)}</p>;
  }
  render(within(<Items />));
  await settle();
  front.commit(['a{}'], 'y');
  await settle();
  expect(text()).toBe('[]');
  expect([...seen].filter((data) => data !== undefined)).toHaveLength(1);
});

test('nothing is asked for while there is nothing to ask for', async () => {
  function Maybe({ n }: { n?: number }): ReactElement {
    const { status } = useStore(n !== undefined && list({ n }), { enabled: n !== 7 });
    return <p data-testid="text">{status}</p>;
  }
  const page = render(within(<Maybe />));
  await settle();
  page.rerender(within(<Maybe n={7} />));
  await settle();
  expect(text()).toBe('pending');
  expect(front.stores.size).toBe(0);
  page.rerender(within(<Maybe n={1} />));
  await settle();
  expect(text()).toBe('live');
});

test('keepPrevious shows the store of before, as stale, until the next one has a document', async () => {
  function Items({ n }: { n: number }): ReactElement {
    const { status, data } = useStore(list({ n }), { keepPrevious: true });
    return <p data-testid="text">{`${status} ${JSON.stringify(data?.items)}`}</p>;
  }
  front.commit(['a{"n":"1"}'], 'one');
  const page = render(within(<Items n={1} />));
  await settle();
  page.rerender(within(<Items n={2} />));
  expect(text()).toBe('stale ["one"]');
  await settle();
  expect(text()).toBe('live []');
});

test('useSuspenseStore waits for a document, and has it from then on', async () => {
  function Items(): ReactElement {
    const { data } = useSuspenseStore(list({}));
    return <p data-testid="text">{data.items.length}</p>;
  }
  render(
    within(
      <Suspense fallback={<p data-testid="text">waiting</p>}>
        <Items />
      </Suspense>,
    ),
  );
  expect(text()).toBe('waiting');
  await settle();
  expect(text()).toBe('0');
  front.commit(['a{}'], 1);
  await settle();
  expect(text()).toBe('1');
});

test('useSuspenseStore throws the error of a store that may not be read to the boundary above', async () => {
  class Boundary extends Component<{ children: ReactNode }, { code?: string }> {
    override state: { code?: string } = {};
    static getDerivedStateFromError({ code }: { code: string }): { code: string } {
      return { code };
    }
    override render(): ReactNode {
      return this.state.code === undefined ? this.props.children : <p data-testid="text">{this.state.code}</p>;
    }
  }
  function Items(): ReactElement {
    return <p>{useSuspenseStore(secret({})).data.items.length}</p>;
  }
  const silent = vi.spyOn(console, 'error').mockImplementation(() => undefined);
  // React 18 throws it past the boundary as well, for whoever debugs.
  const handled = (event: ErrorEvent): void => event.preventDefault();
  window.addEventListener('error', handled);
  render(
    within(
      <Boundary>
        <Suspense>
          <Items />
        </Suspense>
      </Boundary>,
    ),
  );
  await settle();
  expect(text()).toBe('forbidden');
  window.removeEventListener('error', handled);
  silent.mockRestore();
});

test('a store that was asked for beforehand is there at once', async () => {
  function Link(): ReactElement {
    const preload = usePreload();
    return <button onMouseEnter={() => preload(list({}))} onFocus={() => preload(list({}))} />;
  }
  const page = render(within(<Link />));
  await settle();
  act(() => screen.getByRole('button').focus());
  await settle();
  function Items(): ReactElement {
    return <p data-testid="text">{useStore(list({})).status}</p>;
  }
  page.rerender(within(<Items />));
  expect(text()).toBe('live');
});

test('an optimistic action shows at once, is on its way, and ends as the server has it', async () => {
  const frames: string[] = [];
  function Items(): ReactElement {
    const { data } = useStore(list({}));
    const waiting = usePendingActions().length;
    const post = useAction(both, {
      optimistic: (stores, { item }) => stores.update(list({}), ({ items }) => ({ items: [...items, item] })),
    });
    frames.push(`${JSON.stringify(data?.items)} ${waiting}`);
    return <button onClick={() => void post({ item: 'x' })}>post</button>;
  }
  render(<FluxProvider client={client}>{<Items />}</FluxProvider>);
  await settle();
  frames.length = 0;
  act(() => screen.getByRole('button').click());
  expect(frames).toEqual(['["x"] 1']);
  await settle();
  expect(frames.at(-1)).toBe('["x"] 0');
  expect(new Set(frames.map((frame) => frame.split(' ')[0]))).toEqual(new Set(['["x"]']));
});
