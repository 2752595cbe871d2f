/**
 * Another way than WebSocket: found, remembered, and given up again once WebSocket comes through.
 *
 * Whether it is WebSocket that is blocked, and not the front that is away, shows only where another way comes through:
 * then a WebSocket is tried beside it. If that comes through after all, the connection goes back to it; if it does not,
 * that is remembered for an hour.
 */
import { events, polls } from './http.ts';
import { BLOCKED, TRIES } from './transport.ts';
import type { Socket, SocketListener, Transport } from './transport.ts';

/** How long it is remembered that WebSocket does not come through, in milliseconds. */
export const REMEMBERED_MS = 3_600_000;

/** How long a front may take to answer the WebSocket that is tried beside another way, in milliseconds. */
export const PROBE_MS = 5_000;

const WAYS = { events, polls };

interface Blocked {
  /** Until when it is remembered, in milliseconds since 1970. */
  until: number;
  /** Which of the other ways came through. */
  way: keyof typeof WAYS;
}

/**
 * Every way there is, in turn: a front that is away answers on none.
 *
 * @param webSocket - Opens WebSockets.
 */
export function fallback(webSocket: Transport): Transport {
  let blocked = recall();
  /** True if WebSocket has just been found to come through. */
  let found = false;

  const note = (next: Blocked | undefined): void => {
    blocked = next;
    remember(next);
  };

  const turns = (): ('webSocket' | keyof typeof WAYS)[] => {
    if (globalThis.WebSocket === undefined) return ['events', 'polls'];
    if (blocked === undefined) return [...Array<'webSocket'>(TRIES).fill('webSocket'), 'events', 'polls'];
    return blocked.way === 'events' ? ['events', 'polls', 'webSocket'] : ['polls', 'events', 'webSocket'];
  };

  /** Another way, and beside it a look whether WebSocket comes through. */
  const open = (way: keyof typeof WAYS, url: string, listener: SocketListener, token: string | undefined): Socket => {
    let heard = false;
    let over = false;
    const look = async (): Promise<void> => {
      heard = true;
      if (blocked?.way === way || globalThis.WebSocket === undefined) return;
      found = await comesThrough(webSocket, url, token);
      if (!found) note({ until: Date.now() + REMEMBERED_MS, way });
      else {
        note(undefined);
        if (over) return;
        socket.close();
        listener.closed(1012, 'come back in 0 ms');
      }
    };
    const socket = WAYS[way](url, {
      opened: listener.opened,
      message(text) {
        if (!heard) void look();
        listener.message(text);
      },
      closed(code, reason) {
        over = true;
        listener.closed(code, reason);
      },
    }, 0, token);
    return {
      send: socket.send,
      close() {
        over = true;
        socket.close();
      },
    };
  };

  return (url, listener, failures, token) => {
    const left = (blocked?.until ?? 0) - Date.now();
    // More than can be left was written by a clock that was wrong.
    if (blocked !== undefined && !(left > 0 && left <= REMEMBERED_MS)) note(undefined);
    const list = turns();
    const way = found ? 'webSocket' : (list[failures % list.length] ?? 'webSocket');
    found = false;
    return way === 'webSocket' ? webSocket(url, listener, failures, token) : open(way, url, listener, token);
  };
}

/** Whether a front can be heard over WebSocket: it closes one that says what is no frame, with a code of its own. */
function comesThrough(webSocket: Transport, url: string, token: string | undefined): Promise<boolean> {
  return new Promise((resolve) => {
    const finish = (through: boolean): void => {
      clearTimeout(timer);
      socket.close();
      resolve(through);
    };
    const timer = setTimeout(() => finish(false), PROBE_MS);
    const opened = (): void => socket.send('{}');
    const socket = webSocket(url, { opened, message: () => undefined, closed: (code) => finish(code >= 4000) }, 0, token);
  });
}

function recall(): Blocked | undefined {
  try {
    const { until, way } = JSON.parse(localStorage.getItem(BLOCKED) ?? '') as Blocked;
    if (typeof until === 'number' && Object.hasOwn(WAYS, way)) return { until, way };
  } catch {
    // Nothing there, or nothing of ours.
  }
  remember(undefined);
  return undefined;
}

function remember(blocked: Blocked | undefined): void {
  try {
    if (blocked === undefined) localStorage.removeItem(BLOCKED);
    else localStorage.setItem(BLOCKED, JSON.stringify(blocked));
  } catch {
    // For this page it is remembered all the same.
  }
}
