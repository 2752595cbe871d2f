/** What any way to a front is like, and the platform's own: WebSocket. */

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

/**
 * Opens sockets. Tests and other runtimes may bring their own.
 *
 * `failures` is how many attempts in a row came to nothing: another way may be better. `token` is the one that `hello`
 * will show, for a way that shows it before.
 */
export type Transport = (url: string, listener: SocketListener, failures: number, token?: string) => Socket;

/** The platform's own WebSocket. */
export const webSocket: Transport = (url, listener) => openWebSocket(url, listener, []);

/** @param protocols - Subprotocols that are offered to the front (§2). */
export function openWebSocket(url: string, listener: SocketListener, protocols: string[]): Socket {
  const socket = new WebSocket(url, protocols);
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
}

/** WebSockets that come to nothing, one after the other, before another way is tried. */
export const TRIES = 2;

/** Where it is remembered that WebSocket does not come through. */
export const BLOCKED = 'fluxwire/blocked';
