/** The way to a front unless an application says otherwise. */
import { webSocket } from './transport.ts';
import type { Socket, Transport } from './transport.ts';

/** WebSockets that come to nothing, one after the other, before another way is tried. */
const TRIES = 2;

/** Where it is remembered that WebSocket does not come through. */
const BLOCKED = 'fluxwire/blocked';

/** WebSocket; or plain HTTP, loaded when it is needed, where WebSocket does not come through. */
export function anyWay(): Transport {
  let others: Promise<Transport> | undefined;
  /** True if the last attempt could not load them: they come from a server that may be away too. */
  let missing = false;
  return (url, listener, failures) => {
    // Node 20 has none.
    const direct = globalThis.WebSocket && (missing || (failures < TRIES && !isBlocked()));
    missing = false;
    if (others === undefined && direct) return webSocket(url, listener, failures);
    // It shares no code with this file: who never needs it loads one file.
    others ??= import('./fallback.ts').then(({ fallback }) => fallback({ webSocket, tries: TRIES, key: BLOCKED }));
    const opening = others.then((open) => open(url, listener, failures));
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
