/** For networks in which whoever stands before the fronts looks at a token before it lets a WebSocket through. */
import { anyWay } from './any-way.ts';
import { openWebSocket } from './transport.ts';
import type { Transport } from './transport.ts';

/**
 * Show the token with the upgrade of a WebSocket, as a subprotocol, and not in a frame after it:
 * `createClient({ url, token, transport: tokenInUpgrade() })`.
 *
 * Where WebSocket does not come through, the token goes as it always does.
 */
export function tokenInUpgrade(): Transport {
  return anyWay(upgrading);
}

const upgrading: Transport = (url, listener, _failures, token) => {
  try {
    const socket = openWebSocket(url, listener, ['fluxwire', `token.${token}`]);
    return { send: (text) => socket.send(withoutToken(text)), close: socket.close };
  } catch (error) {
    // No header can hold it: it is none that a front would accept (docs/protocol.md §6).
    queueMicrotask(() => listener.closed(4101, String(error)));
    return { send: () => undefined, close: () => undefined };
  }
};

/** A `hello` without its token, which the front has (§2); every other frame as it is. */
function withoutToken(text: string): string {
  const { token: _token, ...hello } = JSON.parse(text) as { type: string; token?: string };
  return hello.type === 'hello' ? JSON.stringify(hello) : text;
}
