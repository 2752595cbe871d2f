/**
 * What passes between a client and its front, written down for {@link DevTools}: a transport around the client's own.
 *
 * It sees frames and nothing else, so that the client knows nothing of it, and can keep them back as a bad network would.
 */
import { anyWay } from './any-way.ts';
import type { Client } from './client.ts';
import type { Down, Up } from './frames.ts';
import type { Json, JsonObject } from './json.ts';
import { applyPatch } from './patch.ts';
import type { Operation } from './patch.ts';
import type { Socket, SocketListener, Transport } from './transport.ts';

/** A version of a store that came. */
export interface SeenVersion {
  readonly version: number;
  readonly epoch: string;
  /** When, in milliseconds since 1970. */
  readonly at: number;
  /** What led to it; `undefined` for a snapshot. */
  readonly patch: readonly Operation[] | undefined;
  readonly document: Json;
}

export interface SeenStore {
  readonly key: string;
  /** The newest last. */
  readonly versions: readonly SeenVersion[];
}

export interface SeenAction {
  readonly number: number;
  readonly name: string;
  readonly params: JsonObject;
  /** When it was first sent, in milliseconds since 1970. */
  readonly at: number;
  /** How long its outcome took, in milliseconds. */
  readonly took: number | undefined;
  readonly status: 'sent' | 'ok' | 'refused' | 'invalid';
  /** The reply or the error. */
  readonly result: Json | undefined;
  /** The stores it changed, with their versions. */
  readonly stores: JsonObject;
}

export interface Recorded {
  readonly connected: boolean;
  /** True while no connection is let through. */
  readonly offline: boolean;
  /** True while updates are lost on their way. */
  readonly dropping: boolean;
  readonly dropped: number;
  readonly stores: readonly SeenStore[];
  /** The newest last. */
  readonly actions: readonly SeenAction[];
}

/** How much is kept of each store, and of actions. */
const KEPT = 200;

/** Redux DevTools, if the browser has them. */
interface Redux {
  connect(options: { name: string }): { init(state: unknown): void; send(action: object, state: unknown): void };
}

/** Records. Made by {@link recorder}. */
export interface Recorder {
  /** For `createClient`. */
  readonly transport: Transport;
  readonly get: () => Recorded;
  readonly subscribe: (listener: () => void) => () => void;
  /** Cut the connection, and let none through until it is called with false. */
  readonly setOffline: (offline: boolean) => void;
  /** Lose updates on their way, until it is called with false: the client notices the gap, and heals. */
  readonly setDropping: (dropping: boolean) => void;
  /** Begin stores that came before this, or from the device, with what the client holds of them. */
  readonly follow: (client: Client) => void;
  /** Forget what was recorded. */
  readonly clear: () => void;
}

/**
 * Record what a client says and hears: `createClient({ url, token, transport: recorder().transport })`.
 *
 * @param transport - The client's own way to a front.
 */
export function recorder(transport: Transport = anyWay()): Recorder {
  const listeners = new Set<() => void>();
  const wires = new Set<() => void>();
  let state: Recorded = { connected: false, offline: false, dropping: false, dropped: 0, stores: [], actions: [] };
  const redux = reduxOf();
  redux?.init({});

  const change = (part: Partial<Recorded>): void => {
    state = { ...state, ...part };
    for (const listener of [...listeners]) listener();
  };

  const see = (key: string, next: SeenVersion): void => {
    const before = state.stores.find((one) => one.key === key);
    const versions = [...(before?.versions ?? []), next].slice(-KEPT);
    const store = { key, versions };
    change({ stores: before ? state.stores.map((one) => (one === before ? store : one)) : [...state.stores, store] });
  };

  const sent = (frame: Up): void => {
    if (frame.type !== 'dispatch') return;
    const { number, name, params } = frame;
    // After a lost connection it is sent again.
    if (state.actions.some((one) => one.number === number && one.status === 'sent')) return;
    const action: SeenAction = { number, name, params, at: Date.now(), took: undefined, status: 'sent', result: undefined, stores: {} };
    change({ actions: [...state.actions, action].slice(-KEPT) });
  };

  const heard = (frame: Down): void => {
    const at = Date.now();
    if (frame.type === 'snapshot') {
      const { store, version, epoch, document } = frame;
      see(store, { version, epoch, at, patch: undefined, document });
    } else if (frame.type === 'update') {
      const { store, epoch, from, to, patch } = frame;
      const last = state.stores.find((one) => one.key === store)?.versions.at(-1);
      // Else it continues from what was there before this began, or was lost.
      if (last?.version === from && last.epoch === epoch) {
        see(store, { version: to, epoch, at, patch, document: applyPatch(last.document, patch) });
      }
    } else if (frame.type === 'outcome') {
      const { number, status, stores } = frame;
      const result = frame.status === 'ok' ? frame.reply : (frame.error as unknown as Json);
      const told = (one: SeenAction): SeenAction =>
        one.number === number && one.status === 'sent' ? { ...one, status, result, stores, took: at - one.at } : one;
      change({ actions: state.actions.map(told) });
      const action = state.actions.filter((one) => one.number === number).at(-1);
      redux?.send({ type: action?.name ?? 'outcome', params: action?.params, status, result }, documents());
    }
  };

  /** Every document as it came last, by store key. */
  const documents = (): Record<string, Json | undefined> =>
    Object.fromEntries(state.stores.map(({ key, versions }) => [key, versions.at(-1)?.document]));

  const open: Transport = (url, listener, failures, token) => {
    let live = true;
    const end = (code: number, reason: string): void => {
      if (!live) return;
      live = false;
      wires.delete(cut);
      change({ connected: false });
      listener.closed(code, reason);
    };
    const cut = (): void => {
      socket.close();
      end(1006, 'offline');
    };
    const tapped: SocketListener = {
      opened: () => {
        change({ connected: true });
        listener.opened();
      },
      message: (text) => {
        const frame = JSON.parse(text) as Down;
        if (state.dropping && frame.type === 'update') {
          change({ dropped: state.dropped + 1 });
          return;
        }
        // First the client: what this shows has then happened.
        listener.message(text);
        heard(frame);
      },
      closed: end,
    };
    if (state.offline) {
      queueMicrotask(() => end(1006, 'offline'));
      return { send: () => undefined, close: () => void (live = false) };
    }
    const socket: Socket = transport(url, tapped, failures, token);
    wires.add(cut);
    return {
      send: (text) => {
        sent(JSON.parse(text) as Up);
        socket.send(text);
      },
      close: () => {
        live = false;
        wires.delete(cut);
        change({ connected: false });
        socket.close();
      },
    };
  };

  return {
    transport: open,
    get: () => state,
    subscribe: (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    setOffline: (offline) => {
      change({ offline });
      if (offline) for (const cut of [...wires]) cut();
    },
    setDropping: (dropping) => change({ dropping, dropped: 0 }),
    follow: (client) => {
      for (const { key, version, epoch, document } of client.dehydrate()) {
        if (state.stores.some((one) => one.key === key)) continue;
        see(key, { version, epoch, at: Date.now(), patch: undefined, document });
      }
    },
    clear: () => change({ stores: [], actions: [] }),
  };
}

function reduxOf(): ReturnType<Redux['connect']> | undefined {
  const extension = (globalThis as { __REDUX_DEVTOOLS_EXTENSION__?: Redux }).__REDUX_DEVTOOLS_EXTENSION__;
  return extension?.connect({ name: 'Fluxwire' });
}
