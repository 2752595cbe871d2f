/** The way to a front unless an application says otherwise. */
import { BLOCKED, TRIES, webSocket } from './transport.ts';
import type { Socket, Transport } from './transport.ts';

/**
 * WebSocket; or plain HTTP, loaded when it is needed, where WebSocket does not come through.
 *
 * @param direct - Opens WebSockets.
 */
export function anyWay(direct: Transport = webSocket): Transport {
  let others: Promise<Transport> | undefined;
  /** True if the last attempt could not load them: they come from a server that may be away too. */
  let missing = false;
  return (url, listener, failures, token) => {
    // Node 20 has none.
    const first = globalThis.WebSocket && (missing || (failures < TRIES && !isBlocked()));
    missing = false;
    if (others === undefined && first) return direct(url, listener, failures, token);
    others ??= import('./fallback.ts').then(({ fallback }) => fallback(direct));
    const opening = others.then((open) => open(url, listener, failures, token));
    opening.catch((error: unknown) => {
      others = undefined;
      missing = true;
      listener.closed(1006, String(error));
    });
    const later = (use: (socket: Socket) => void): void => void opening.then(use, () => undefined);
    return { send: (text) => later((socket) => socket.send(text)), close: () => later((socket) => socket.close()) };
  };
}

function isBlocked(): boolean {
  try {
    return localStorage.getItem(BLOCKED) !== null;
  } catch {
    // Not allowed, or not there.
    return false;
  }
}
