/**
 * A Fluxwire client: wires the pure parts to a socket, a clock, a page and one timer.
 */
import { makeActions } from './actions.ts';
import { anyWay } from './any-way.ts';
import { makeConnection } from './connection.ts';
import type { Effect, Event, State } from './connection.ts';
import { fault } from './errors.ts';
import type { FluxError } from './errors.ts';
import { DEFAULT_MAX_FRAME, encode } from './frames.ts';
import { randomId } from './id.ts';
import { isObject } from './json.ts';
import type { Json, JsonObject } from './json.ts';
import { watchPage } from './page.ts';
import type { PendingAction, Prediction } from './pending.ts';
import type { Page, Persistence } from './persistence.ts';
import type { ActionRef, StoreRef } from './refs.ts';
import type { StoreState } from './subscription.ts';
import { GRACE_MS, makeSubscriptions } from './subscriptions.ts';
import type { KeptStore, StoreFrame } from './subscriptions.ts';
import { timeLeft } from './token.ts';
import type { Socket, Transport } from './transport.ts';

export interface ClientOptions {
  /** Where a front listens, for example `wss://example.org/ws`. */
  url: string;
  /**
   * The token, or a function that brings one: for each connection, and before the last one it brought expires. None is
   * given where the browser sends it in a cookie.
   */
  token?: string | (() => Promise<string>);
  /** Opens sockets; unless given, WebSocket, or plain HTTP where that does not come through. */
  transport?: Transport;
  /** Predictions for actions whose callers give none; after a reload these are the only ones. */
  predictions?: readonly NamedPrediction[];
  /** Keeps actions and documents beyond the page: `persist({ actor })` of `fluxwire/persist`. */
  persistence?: Persistence;
  /** An action of before a reload was refused, or may have been applied and cannot be asked for any more. */
  onLateError?: (error: FluxError, action: PendingAction) => void;
  /** How long a store is kept after the last that used it, in milliseconds. */
  graceMs?: number;
  /** Hang up in a tab that has been hidden for so long, in milliseconds; never unless given. */
  pauseHiddenMs?: number;
}

/** A prediction and the action that it is for. Made by {@link predict}. */
export interface NamedPrediction {
  readonly name: string;
  readonly run: Prediction;
}

/** Say what an action will probably do: `predict(actions.rename_room, (stores, { room, title }) => …)`. */
export function predict<Params extends object, Reply>(
  ref: ActionRef<Params, Reply>,
  run: Prediction<Params>,
): NamedPrediction {
  return { name: ref.name, run: run as unknown as Prediction };
}

export interface DispatchOptions<Params> {
  /** What it will probably do, shown until the stores have it. */
  optimistic?: Prediction<Params>;
}

/** A promise of an action's reply, once it is committed. Rejects with a `FluxError` if it is refused. */
export interface Dispatched<Reply> extends Promise<Reply> {
  /** The same, once every store that is held here shows what the action did. */
  readonly settled: Promise<Reply>;
}

/** The connection as an application shows it. */
export interface ConnectionStatus {
  readonly state: 'closed' | 'connecting' | 'open' | 'waiting' | 'paused' | 'signed out' | 'stopped';
  /** The close code that ended the last connection, while there is no new one. */
  readonly code: number | undefined;
  readonly reason: string | undefined;
}

/** Something that changes: `get` returns the same object as long as nothing has changed. */
export interface Observable<Value> {
  readonly get: () => Value;
  /** Be told of changes, until the returned function is called. */
  readonly subscribe: (listener: () => void) => () => void;
}

/** A store: subscribing holds it. Both members may be passed on by themselves. */
export type StoreHandle<Document> = Observable<StoreState<Document>>;

/** What a client offers. Made by {@link createClient}; connects at once. */
export interface Client {
  /** A store; nothing is asked of a front before somebody subscribes to it. */
  store<Document>(ref: StoreRef<Document>): StoreHandle<Document>;
  /** Bring an action, now or as soon as there is a connection; it takes effect exactly once. */
  dispatch<Params extends object, Reply>(
    ref: ActionRef<Params, Reply>,
    params: Params,
    options?: DispatchOptions<Params>,
  ): Dispatched<Reply>;
  /** Every action that is not settled yet, in the order in which they were brought. */
  readonly pending: Observable<readonly PendingAction[]>;
  /** The connection, to be shown. */
  readonly connection: Observable<ConnectionStatus>;
  /** Every document there is, to be handed to a page that a server has rendered. */
  dehydrate(): KeptStore[];
  /** Show documents of before until the front has newer ones. */
  hydrate(stores: readonly KeptStore[]): void;
  /** Have the whole of a store that is held sent anew; until it comes, what is there is shown as `stale`. */
  renew(ref: StoreRef<unknown>): void;
  /** Try again now: after `signed out` or `stopped`, or to cut a wait short. */
  connect(): void;
  /**
   * Hang up for good; actions without an outcome are rejected with `closed`.
   *
   * @param wipe - Keep nothing on this device either: the user signs out.
   */
  close(options?: { wipe?: boolean }): Promise<void>;
}

const SHOWN: { readonly [state in State]?: ConnectionStatus['state'] } = {
  idle: 'closed',
  authorising: 'connecting',
  greeting: 'connecting',
};

/** Actions on their way at most; whoever brings another one is refused with `queue_full`. */
const QUEUE = 10_000;

/** How much longer a page rests than it took to show something, when updates come faster than it shows them. */
const RESTS = 2;

/** A page rests no longer than this, in milliseconds. */
const MOST_REST_MS = 100;

/** How long to look at a hidden tab again that could not be paused, in milliseconds. */
const PAUSE_AGAIN_MS = 1_000;

/** The longest time that timers count, in milliseconds. */
const LONGEST_MS = 2 ** 31 - 1;

/**
 * Make a client and connect it.
 *
 * @throws TypeError if the address is no URL.
 */
export function createClient(options: ClientOptions): Client {
  const { token, transport = anyWay(), predictions = [], persistence, graceMs = GRACE_MS, pauseHiddenMs } = options;
  const url = new URL(options.url).href;
  const listeners = new Set<() => void>();
  const pendingListeners = new Set<() => void>();
  let status: ConnectionStatus = { state: 'closed', code: undefined, reason: undefined };
  let toldPending: readonly PendingAction[] = [];
  let socket: Socket | undefined;
  let timer: ReturnType<typeof setTimeout> | undefined;
  let maxFrame = DEFAULT_MAX_FRAME;
  let flushing = false;
  /** False until what pages before this one left is there: it goes first. */
  let begun = false;
  let closing = false;
  /** When updates that came fast are shown, all together. */
  let tellAt = Infinity;
  /** Until when the page has a rest from being told. */
  let rest = 0;
  let paused = false;
  let pausing: ReturnType<typeof setTimeout> | undefined;

  const now = (): number => performance.now();
  const closed = (): FluxError => fault('closed', 'The client was closed.');
  const subscriptions = makeSubscriptions(graceMs);
  const { pending } = subscriptions;
  const { outbox, add, adopt: takeOver } = makeActions({
    makeId: randomId,
    random: Math.random,
    journal: persistence,
    subscriptions,
    predictions: new Map(predictions.map(({ name, run }) => [name, run])),
    now,
    onLateError: options.onLateError,
  });
  const connection = makeConnection({
    client: outbox.hello,
    actor: persistence?.actor,
    renewable: typeof token === 'function',
    random: Math.random,
  });

  const take = (event: Event): void => {
    const effects = connection.take(event, now());
    for (const effect of effects) perform[effect.type](effect as never);
    if (effects.some((effect) => effect.type === 'frame' && effect.frame.type === 'update')) tellInTurn();
    else tell();
    show();
    schedule();
  };

  /** What each effect asks for. */
  const perform: { [Type in Effect['type']]: (effect: Extract<Effect, { type: Type }>) => void } = {
    authorise: async ({ attempt }) => {
      let event: Event = { type: 'no token', attempt };
      try {
        const value = await (typeof token === 'function' ? token() : token);
        event = { type: 'token', attempt, token: value, goodFor: timeLeft(value) };
      } catch {
        // The connection asks again.
      }
      take(event);
    },
    open({ attempt, failures, token }) {
      const listener = {
        opened: () => take({ type: 'opened', attempt }),
        message: (text: string) => take({ type: 'message', attempt, text }),
        closed: (code: number, reason: string) => take({ type: 'closed', attempt, code, reason }),
      };
      socket = transport(url, listener, failures, token);
    },
    send: ({ text }) => socket?.send(text),
    close() {
      socket?.close();
      socket = undefined;
    },
    lost() {
      outbox.lost();
      subscriptions.lost(now());
    },
    frame({ frame }) {
      if (frame.type === 'welcome') {
        maxFrame = frame.max_frame;
        flush();
      } else if (frame.type === 'outcome') outbox.settle(frame, now());
      else subscriptions.receive(frame as StoreFrame, now());
      flushSoon();
    },
  };

  /** Send what is due once the current turn is over: stores of one page leave in one frame. */
  const flushSoon = (): void => {
    if (flushing) return;
    flushing = true;
    queueMicrotask(() => {
      flushing = false;
      flush();
      // What could not be sent has failed by now.
      tellInTurn();
      schedule();
    });
  };

  const flush = (): void => {
    if (connection.state !== 'open') return;
    if (outbox.turned) {
      take({ type: 'disconnect' });
      take({ type: 'connect' });
      return;
    }
    for (const frame of subscriptions.send(maxFrame)) socket?.send(encode(frame));
    const writing = persistence?.writing;
    // Sent before it is kept, an action could be brought a second time after a crash, under another number.
    if (writing !== undefined) void writing.then(flushSoon);
    else for (const frame of outbox.send(maxFrame, now())) socket?.send(encode(frame));
  };

  /** Tell whoever listens to stores and pending actions. */
  const tell = (): void => {
    tellAt = Infinity;
    const begun = now();
    if (subscriptions.tell(begun)) {
      persistence?.changed();
      // React renders in a microtask of its own, which was asked for before this one.
      queueMicrotask(() => {
        rest = now() + Math.min(RESTS * (now() - begun), MOST_REST_MS);
      });
    }
    if (pending.actions === toldPending) return;
    toldPending = pending.actions;
    for (const listener of [...pendingListeners]) listener();
  };

  /** Tell it as soon as the page has rested from what it was told before. */
  const tellInTurn = (): void => {
    if (now() < rest) tellAt = rest;
    else tell();
  };

  const show = (): void => {
    const { code, reason } = connection.ending ?? {};
    const state = paused ? 'paused' : (SHOWN[connection.state] ?? (connection.state as ConnectionStatus['state']));
    if (state === status.state && code === status.code && reason === status.reason) return;
    status = { state, code, reason };
    for (const listener of [...listeners]) listener();
  };

  const connect = (): void => {
    if (begun && !closing) take({ type: 'connect' });
  };

  const wake = (): void => {
    clearTimeout(pausing);
    if (paused) {
      paused = false;
      connect();
    } else take({ type: 'wake' });
  };

  const hide = (): void => {
    persistence?.changed(true);
    clearTimeout(pausing);
    if (pauseHiddenMs !== undefined) pausing = setTimeout(pause, pauseHiddenMs);
  };

  /** Hang up until the tab is looked at; not while an action is on its way. */
  const pause = (): void => {
    paused = pending.actions.every(({ stage }) => stage !== 'local');
    if (paused) take({ type: 'disconnect' });
    else pausing = setTimeout(pause, PAUSE_AGAIN_MS);
  };

  /** One timer for everything that is due some time. */
  const schedule = (): void => {
    clearTimeout(timer);
    if (closing) return;
    const due = Math.min(connection.deadline, subscriptions.deadline(now()), outbox.deadline, tellAt) - now();
    if (due === Infinity) return;
    timer = setTimeout(() => {
      subscriptions.sweep(now());
      flushSoon();
      take({ type: 'timer' });
    }, Math.max(0, Math.min(due, LONGEST_MS)));
  };

  const hydrate = (stores: readonly KeptStore[]): void => {
    subscriptions.hydrate(stores);
    tell();
  };

  const adopt: Page['adopt'] = (client, left) => {
    if (closing) return;
    takeOver(client, left);
    tell();
    flushSoon();
  };

  const begin = (): void => {
    begun = true;
    connect();
  };

  const leavePage = watchPage({ wake, hide });
  const { dehydrate } = subscriptions;
  if (persistence === undefined) begin();
  else void persistence.open({ adopt, hydrate, dehydrate }).then(begin);

  return {
    connection: observable(listeners, () => status),
    pending: observable(pendingListeners, () => pending.actions),
    dehydrate,
    hydrate,
    connect,

    store({ name, params: given }) {
      const params = plain(given);
      return {
        get: () => subscriptions.state(name, params) as StoreState<never>,
        subscribe(changed) {
          // One listener may be given twice: each subscription gets its own.
          const listener = (): void => changed();
          subscriptions.hold(name, params, listener);
          // A document of before is shown with what is predicted of it.
          tell();
          flushSoon();
          return () => {
            subscriptions.release(name, params, listener, now());
            schedule();
          };
        },
      };
    },

    renew({ name, params }) {
      subscriptions.renew(name, params);
      tell();
      flushSoon();
    },

    dispatch(ref, params, { optimistic } = {}) {
      let show = (): void => undefined;
      const shown = new Promise<void>((resolve) => {
        show = resolve;
      });
      const reply = new Promise<never>((resolve, reject) => {
        if (closing) throw closed();
        if (pending.actions.length >= QUEUE) throw fault('queue_full', `${QUEUE} actions are on their way.`);
        const brought = { id: randomId(), name: ref.name, params: plain(params), at: Date.now() };
        const asker = { resolve: resolve as unknown as (reply: Json) => void, reject, settled: show };
        add(brought, optimistic as Prediction | undefined, asker, maxFrame);
        tell();
        flushSoon();
      });
      // Made on demand: who does not ask for it gets no second rejection.
      return Object.defineProperty(reply, 'settled', {
        get: () => reply.then((value) => shown.then(() => value)),
      }) as unknown as Dispatched<never>;
    },

    async close({ wipe = false } = {}) {
      if (!wipe) persistence?.changed(true);
      closing = true;
      leavePage();
      take({ type: 'disconnect' });
      clearTimeout(timer);
      clearTimeout(pausing);
      outbox.close(closed());
      tell();
      if (wipe) await persistence?.wipe();
      await persistence?.writing;
      persistence?.close();
    },
  };
}

function observable<Value>(listeners: Set<() => void>, get: () => Value): Observable<Value> {
  return {
    get,
    subscribe(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
}

/** Parameters as they will be sent, whatever the caller does to them until then. */
function plain(params: object): JsonObject {
  const copy: unknown = JSON.parse(JSON.stringify(params));
  if (!isObject(copy)) throw new TypeError('Parameters are a JSON object.');
  return copy;
}
