import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { createClient } from '../src/client.ts';
import { tokenInUpgrade } from '../src/upgrade.ts';

/** Everything that was asked of WebSockets. */
let seen: unknown[];

class FakeWebSocket {
  static OPEN = 1;
  readyState = 1;
  onopen = (): void => undefined;

  constructor(url: string, protocols: string[]) {
    if (protocols.some((one) => one.includes(' '))) throw new SyntaxError('no subprotocol');
    seen.push([url, ...protocols]);
    queueMicrotask(() => this.onopen());
  }

  send(text: string): void {
    const { client: _client, ...frame } = JSON.parse(text) as Record<string, unknown>;
    seen.push(frame);
  }

  close(): void {
    seen.push('closed');
  }
}

beforeEach(() => {
  seen = [];
  vi.stubGlobal('WebSocket', FakeWebSocket);
});

afterEach(() => vi.unstubAllGlobals());

test('the token goes as a subprotocol, and in no frame', async () => {
  const client = createClient({ url: 'ws://front/ws', token: 'a.b-_.c', transport: tokenInUpgrade() });
  await vi.waitFor(() => expect(seen).toHaveLength(2));
  await client.close();
  expect(seen).toEqual([['ws://front/ws', 'fluxwire', 'token.a.b-_.c'], { type: 'hello', protocols: [1] }, 'closed']);
});

test('a token that no header can hold is a wrong one', async () => {
  const client = createClient({ url: 'ws://front/ws', token: 'a token', transport: tokenInUpgrade() });
  await vi.waitFor(() => expect(client.connection.get()).toMatchObject({ state: 'signed out', code: 4101 }));
  expect(seen).toEqual([]);
  await client.close();
});

test('without a token of its own a client relies on the cookie, and says nothing of one', async () => {
  const client = createClient({ url: 'ws://front/ws' });
  await vi.waitFor(() => expect(seen).toHaveLength(2));
  expect(seen).toEqual([['ws://front/ws'], { type: 'hello', protocols: [1] }]);
  await client.close();
});
