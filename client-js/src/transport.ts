/** Ways to a front: the only file that knows WebSocket, and the choice of another way where none comes through. */

/** One connection attempt, as long as it lives. */
export interface Socket {
  /** Send one text message; dropped silently if the socket is no longer open. */
  send(text: string): void;
  /** Close it; nothing is reported about it any more. */
  close(): void;
}

/** What a socket reports; nothing after `closed`. */
export interface SocketListener {
  opened(): void;
  message(text: string): void;
  closed(code: number, reason: string): void;
}

/** Opens a socket. Tests and other runtimes may bring their own. */
/**
 * Opens sockets. Tests and other runtimes may bring their own.
 *
 * `failures` is how many attempts in a row came to nothing: another way may be better.
 */
export type Transport = (url: string, listener: SocketListener, failures: number) => Socket;

/** The platform's own WebSocket. */
export const webSocket: Transport = (url, listener) => {
  const socket = new WebSocket(url);
  socket.onopen = () => listener.opened();
  // A front sends text only (§1); anything else reads as the frame that it is not.
  socket.onmessage = (event) => listener.message(String(event.data));
  socket.onclose = (event) => listener.closed(event.code, event.reason);
  return {
    send(text) {
      if (socket.readyState === WebSocket.OPEN) socket.send(text);
    },
    close() {
      // The closing handshake of a dead connection takes minutes: nobody waits for it.
      socket.onopen = socket.onmessage = socket.onclose = null;
      socket.close(1000);
    },
  };
};

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
