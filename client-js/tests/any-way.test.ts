import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { anyWay } from '../src/any-way.ts';
import type { SocketListener } from '../src/transport.ts';

const { load } = vi.hoisted(() => ({ load: vi.fn() }));
vi.mock('../src/fallback.ts', () => ({
  get fallback() {
    return load() as unknown;
  },
}));

/** What was opened: WebSockets and other ways. */
let opened: string[];
let closed: string[];
const listener: SocketListener = {
  opened: () => undefined,
  message: () => undefined,
  closed: (code, reason) => closed.push(`${code} ${reason}`),
};

beforeEach(() => {
  opened = [];
  closed = [];
  vi.stubGlobal(
    'WebSocket',
    class {
      constructor() {
        opened.push('webSocket');
      }
    },
  );
  load.mockReset();
  load.mockReturnValue(() => () => {
    opened.push('another way');
    return { send: () => undefined, close: () => opened.push('closed') };
  });
});

afterEach(() => vi.unstubAllGlobals());

/** One attempt after so many failures. */
async function attempt(open: ReturnType<typeof anyWay>, failures: number): Promise<void> {
  const socket = open('ws://front/ws', listener, failures);
  await vi.waitFor(() => expect(opened.length + closed.length).toBeGreaterThan(0));
  if (opened.at(-1) === 'another way') {
    socket.close();
    await vi.waitFor(() => expect(opened).toContain('closed'));
  }
}

test('another way is loaded after two failures, and from then on asked each time', async () => {
  const open = anyWay();
  await attempt(open, 0);
  await attempt(open, 1);
  expect([opened, load.mock.calls.length]).toEqual([['webSocket', 'webSocket'], 0]);
  opened = [];
  await attempt(open, 2);
  await attempt(open, 0);
  expect(opened).toEqual(['another way', 'closed', 'another way', 'closed']);
});

test('where it cannot be loaded, because its server is away too, WebSocket is tried in between', async () => {
  const open = anyWay();
  load.mockImplementation(() => {
    throw new Error('no server');
  });
  await attempt(open, 2);
  expect([opened, closed]).toEqual([[], ['1006 Error: no server']]);
  await attempt(open, 3);
  expect(opened).toEqual(['webSocket']);
});
