// @vitest-environment jsdom
import { act, cleanup, render, screen, waitFor } from '@testing-library/react';
import { StrictMode } from 'react';
import type { ReactElement } from 'react';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { createClient, defineAction, defineStore, predict } from '../src/index.ts';
import type { Client } from '../src/index.ts';
import { ordered } from '../src/ordered.ts';
import { FluxProvider, usePagedStore } from '../src/react.ts';
import type { Page, UsePagedStore } from '../src/react.ts';
import { testServer } from '../src/testing.ts';
import type { TestServer } from '../src/testing.ts';

interface Row {
  id: string;
  n: number;
}

interface Rows {
  rows: Record<string, Row>;
}

const WINDOW = 5;
const newest = defineStore<Rows>('newest');
const beside = defineStore<Rows & Page, { n: number; direction: string }>('beside');
const say = defineAction<Record<never, never>>('say');
const byNumber = ordered<Rows, 'rows'>('rows', (a, b) => a.n - b.n);

const rowsOf = (numbers: number[]): Record<string, Row> =>
  Object.fromEntries(numbers.map((n) => [`r${n}`, { id: `r${n}`, n }]));
const range = (from: number, to: number): number[] => Array.from({ length: Math.max(0, to - from) }, (_value, at) => from + at);

/** How many rows there are, of which the newest five are a window. */
let count: number;
let server: TestServer;
let client: Client;

function grow(by: number): void {
  count += by;
  server.update('newest', {}, () => ({ rows: rowsOf(range(count - WINDOW, count)) as never }));
}

beforeEach(() => {
  count = 20;
  server = testServer({
    stores: {
      newest: () => ({ rows: rowsOf(range(Math.max(0, count - WINDOW), count)) as never }),
      beside: ({ n, direction }) => {
        const [from, to] = direction === 'earlier' ? [Number(n) - WINDOW, Number(n)] : [Number(n), Number(n) + WINDOW];
        const there = range(Math.max(0, from), Math.min(count, to));
        return { rows: rowsOf(there) as never, more: direction === 'earlier' ? from > 0 : to < count };
      },
    },
    actions: {
      say(stores) {
        count += 1;
        stores.update('newest', {}, () => ({ rows: rowsOf(range(count - WINDOW, count)) as never }));
        return null;
      },
    },
  });
  client = createClient({
    url: server.url,
    token: 'ada',
    transport: server.transport,
    predictions: [
      predict(say, (shown) => {
        shown.update(newest({}), ({ rows }) => ({ rows: { ...rows, mine: { id: 'mine', n: 1_000 } } }));
      }),
    ],
  });
});

afterEach(() => {
  cleanup();
  void client.close();
});

let paged: UsePagedStore<Row>;
/** Every list that was ever on the screen. */
let seen: number[][];

function List({ from }: { from?: number }): ReactElement {
  paged = usePagedStore({
    newest: newest({}),
    page: (n: number, direction) => beside({ n, direction }),
    rows: byNumber,
    key: (row) => row.id,
    cursor: (row) => (row.id === 'mine' ? undefined : row.n),
    ...(from !== undefined && { from }),
  });
  const numbers = paged.rows.map(({ n }) => n);
  seen.push(numbers);
  return <p data-testid="text">{`${paged.earlier} ${numbers.join(' ')} ${paged.later} ${paged.status}`}</p>;
}

function show(page: ReactElement): void {
  seen = [];
  render(
    <StrictMode>
      <FluxProvider client={client}>{page}</FluxProvider>
    </StrictMode>,
  );
}

const says = (text: string): Promise<void> => waitFor(() => expect(screen.getByTestId('text').textContent).toBe(text));
const list = (from: number, to: number): string => range(from, to).join(' ');

/** No list that was shown had a hole, or a row twice. */
function unbroken(): void {
  for (const numbers of seen) expect(numbers.slice(1).every((n, at) => n === (numbers[at] as number) + 1)).toBe(true);
}

test('the newest are live; earlier pages come one by one, to the first row', async () => {
  show(<List />);
  await says(`more ${list(15, 20)} end live`);
  for (const [from, beyond] of [[10, 'more'], [5, 'more'], [0, 'end']] as const) {
    act(() => paged.loadEarlier());
    expect(paged.earlier).toBe('loading');
    act(() => paged.loadEarlier());
    await says(`${beyond} ${list(from, 20)} end live`);
  }
  act(() => paged.loadEarlier());
  await says(`end ${list(0, 20)} end live`);
  unbroken();
});

test('the newest rows move on, and what leaves them stays where pages are shown before it', async () => {
  show(<List />);
  await says(`more ${list(15, 20)} end live`);
  act(() => grow(1));
  await says(`more ${list(16, 21)} end live`);
  act(() => paged.loadEarlier());
  await says(`more ${list(11, 21)} end live`);
  for (let turn = 0; turn < 12; turn += 1) {
    act(() => grow(1));
    await says(`more ${list(11, 22 + turn)} end live`);
  }
  unbroken();
});

test('after a gap the list goes on from the newest rows alone', async () => {
  show(<List />);
  await says(`more ${list(15, 20)} end live`);
  act(() => paged.loadEarlier());
  await says(`more ${list(10, 20)} end live`);
  act(() => grow(30));
  await says(`more ${list(45, 50)} end live`);
  act(() => paged.loadEarlier());
  await says(`more ${list(40, 50)} end live`);
  unbroken();
});

test('begun in the middle it grows both ways, and becomes live where it meets the newest', async () => {
  show(<List from={8} />);
  await says(`more ${list(3, 13)} more live`);
  act(() => paged.loadEarlier());
  await says(`end ${list(0, 13)} more live`);
  act(() => paged.loadLater());
  await says(`end ${list(0, 17)} more live`);
  act(() => paged.loadLater());
  await says(`end ${list(0, 20)} end live`);
  act(() => grow(1));
  await says(`end ${list(0, 21)} end live`);
  unbroken();
});

test('what is predicted shows at the end, and nothing is asked for next to it', async () => {
  show(<List />);
  await says(`more ${list(15, 20)} end live`);
  act(() => paged.loadEarlier());
  await says(`more ${list(10, 20)} end live`);
  let done: Promise<unknown> = Promise.resolve();
  act(() => {
    done = client.dispatch(say, {}).settled;
  });
  await says(`more ${list(10, 20)} 1000 end live`);
  await act(() => done);
  await says(`more ${list(10, 21)} end live`);
});

test('pages outlive a lost connection, and are given up with the last component', async () => {
  show(<List />);
  await says(`more ${list(15, 20)} end live`);
  act(() => paged.loadEarlier());
  await says(`more ${list(10, 20)} end live`);
  act(() => server.disconnect());
  await says(`more ${list(10, 20)} end stale`);
  server.reconnect();
  act(() => client.connect());
  await says(`more ${list(10, 20)} end live`);
  unbroken();
});

test('a page that may not be read says why', async () => {
  function Broken(): ReactElement {
    paged = usePagedStore({
      newest: newest({}),
      page: () => ({ name: 'none', params: {} }),
      rows: byNumber,
      key: (row) => row.id,
      cursor: (row: Row) => row.n,
    });
    return <p data-testid="text">{`${paged.earlier} ${paged.rows.length} ${paged.error?.code}`}</p>;
  }
  show(<Broken />);
  await says('more 5 undefined');
  act(() => paged.loadEarlier());
  await says('end 5 unknown_store');
});
