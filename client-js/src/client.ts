/**
 * A Fluxwire client: wires the pure parts to a socket, a clock, a page and one timer.
 */
import { Actions } from './actions.ts';
import { Connection } from './connection.ts';
import type { Effect, Event, State } from './connection.ts';
import { closed, FluxError } from './errors.ts';
import { DEFAULT_MAX_FRAME, encode } from './frames.ts';
import type { Down } from './frames.ts';
import { isObject } from './json.ts';
import type { Json, JsonObject } from './json.ts';
import { watchPage } from './page.ts';
import type { PendingAction, Prediction } from './pending.ts';
import type { Persistence } from './persistence.ts';
import type { ActionRef, StoreRef } from './refs.ts';
import type { StoreState } from './subscription.ts';
import { GRACE_MS, Subscriptions } from './subscriptions.ts';
import type { KeptStore } from './subscriptions.ts';
import { webSocket } from './transport.ts';
import type { Socket, Transport } from './transport.ts';

export interface ClientOptions {
  /** Where a front listens, for example `wss://example.org/ws`. */
  url: string;
  /** The token, or a function that brings one; it is called for each connection. */
  token: string | (() => Promise<string>);
  /** Opens sockets; the platform's WebSocket unless given. */
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
  /** Try again now: after `signed out` or `stopped`, or to cut a wait short. */
  connect(): void;
  /**
   * Hang up for good; actions without an outcome are rejected with `closed`.
   *
   * @param wipe - Keep nothing on this device either: the user signs out.
   */
  close(options?: { wipe?: boolean }): Promise<void>;
}

const SHOWN: Readonly<Record<State, ConnectionStatus['state']>> = {
  idle: 'closed',
  authorising: 'connecting',
  connecting: 'connecting',
  greeting: 'connecting',
  open: 'open',
  waiting: 'waiting',
  'signed out': 'signed out',
  stopped: 'stopped',
};

/** How often documents are kept beyond the page, in milliseconds. */
const KEEP_MS = 1_000;

/** How much longer a page rests than it took to show something, when updates come faster than it shows them. */
const RESTS = 2;

/** A page rests no longer than this, in milliseconds. */
const MOST_REST_MS = 100;

/** Actions on their way at most; whoever brings another one is refused with `queue_full`. */
const QUEUE = 10_000;

/**
 * Make a client and connect it.
 *
 * @throws TypeError if the address is no URL.
 */
export function createClient(options: ClientOptions): Client {
  return new SocketClient({ ...options, url: new URL(options.url).href });
}

class SocketClient implements Client {
  readonly #options: ClientOptions;
  readonly #transport: Transport;
  readonly #subscriptions: Subscriptions;
  readonly #actions: Actions;
  readonly #connection: Connection;
  readonly #listeners = new Set<() => void>();
  readonly #pendingListeners = new Set<() => void>();
  readonly #leavePage: () => void;
  #status: ConnectionStatus = { state: 'closed', code: undefined, reason: undefined };
  #toldPending: readonly PendingAction[] = [];
  #socket: Socket | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #maxFrame = DEFAULT_MAX_FRAME;
  #flushing = false;
  /** False until what pages before this one left is there: it goes first. */
  #begun = false;
  #closed = false;
  #pauseAt: number | undefined;
  #paused = false;
  #keepAt: number | undefined;
  /** When updates that came fast are shown, all together. */
  #tellAt: number | undefined;
  /** Until when the page has a rest from being told. */
  #rest = 0;

  constructor(options: ClientOptions) {
    const { token, transport = webSocket, predictions = [], persistence, graceMs = GRACE_MS } = options;
    this.#options = options;
    this.#transport = transport;
    this.#subscriptions = new Subscriptions(graceMs);
    this.#actions = new Actions({
      makeId: randomId,
      random: Math.random,
      journal: persistence,
      subscriptions: this.#subscriptions,
      predictions: new Map(predictions.map(({ name, run }) => [name, run])),
      now: () => performance.now(),
      onLateError: options.onLateError ?? (() => undefined),
    });
    this.#connection = new Connection({
      client: () => this.#actions.client,
      actor: persistence?.actor,
      renewable: typeof token === 'function',
      random: Math.random,
    });
    this.#leavePage = watchPage({ wake: this.#wake, hide: this.#hide });
    if (persistence === undefined) this.#begin();
    else void this.#restore(persistence);
  }

  readonly connection: Client['connection'] = observable(this.#listeners, () => this.#status);

  readonly pending: Client['pending'] = observable(
    this.#pendingListeners,
    () => this.#subscriptions.pending.actions,
  );

  store<Document>(ref: StoreRef<Document>): StoreHandle<Document> {
    const { name } = ref;
    const params = plain(ref.params);
    return {
      get: () => this.#subscriptions.state(name, params) as StoreState<Document>,
      subscribe: (changed) => {
        // One listener may be given twice: each subscription gets its own.
        const listener = (): void => changed();
        this.#subscriptions.hold(name, params, listener);
        // A document of before is shown with what is predicted of it.
        this.#tell();
        this.#flushSoon();
        return () => {
          this.#subscriptions.release(name, params, listener, performance.now());
          this.#schedule();
        };
      },
    };
  }

  dispatch<Params extends object, Reply>(
    ref: ActionRef<Params, Reply>,
    params: Params,
    { optimistic }: DispatchOptions<Params> = {},
  ): Dispatched<Reply> {
    let show: () => void = () => undefined;
    const shown = new Promise<void>((resolve) => {
      show = resolve;
    });
    const reply = new Promise<Reply>((resolve, reject) => {
      if (this.#closed) throw closed();
      if (this.#subscriptions.pending.actions.length >= QUEUE) throw new FluxError({ code: 'queue_full', message: `${QUEUE} actions are on their way.` });
      const brought = { id: randomId(), name: ref.name, params: plain(params), at: Date.now() };
      const asker = { resolve: resolve as (reply: Json) => void, reject, settled: show };
      this.#actions.add(brought, optimistic as Prediction | undefined, asker, this.#maxFrame);
      this.#tell();
      this.#flushSoon();
    });
    const settled = (): Promise<Reply> => reply.then((value) => shown.then(() => value));
    // Made on demand: who does not ask for it gets no second rejection.
    return Object.defineProperty(reply, 'settled', { get: settled }) as Dispatched<Reply>;
  }

  dehydrate(): KeptStore[] {
    return this.#subscriptions.dehydrate();
  }

  hydrate(stores: readonly KeptStore[]): void {
    this.#subscriptions.hydrate(stores);
    this.#tell();
  }

  connect(): void {
    if (!this.#closed && this.#begun) this.#take({ type: 'connect' });
  }

  async close({ wipe = false } = {}): Promise<void> {
    const { persistence } = this.#options;
    if (!wipe) this.#keep();
    this.#closed = true;
    this.#leavePage();
    this.#take({ type: 'disconnect' });
    clearTimeout(this.#timer);
    this.#actions.close(closed());
    this.#tell();
    if (wipe) await persistence?.wipe();
    await persistence?.writing;
    persistence?.close();
  }

  async #restore(persistence: Persistence): Promise<void> {
    const left = await persistence.open((actions) => {
      if (!this.#closed && this.#actions.adopt(actions)) this.#again();
      this.#tell();
    });
    if (this.#closed) return;
    this.hydrate(left.stores);
    this.#actions.adopt(left.actions);
    this.#begin();
  }

  #begin(): void {
    this.#begun = true;
    this.connect();
  }

  readonly #wake = (): void => {
    this.#pauseAt = undefined;
    if (this.#closed || !this.#begun) return;
    const { type } = this.#paused ? ({ type: 'connect' } as const) : ({ type: 'wake' } as const);
    this.#paused = false;
    this.#take({ type });
  };

  readonly #hide = (): void => {
    this.#keep();
    const { pauseHiddenMs } = this.#options;
    if (pauseHiddenMs === undefined) return;
    this.#pauseAt = performance.now() + pauseHiddenMs;
    this.#schedule();
  };

  /** Hang up until the tab is looked at; not while an action is on its way. */
  #pause(now: number): void {
    if (this.#pauseAt === undefined || now < this.#pauseAt) return;
    if (this.#subscriptions.pending.actions.some(({ stage }) => stage === 'local')) {
      this.#pauseAt = now + KEEP_MS;
      return;
    }
    this.#pauseAt = undefined;
    this.#paused = true;
    this.#take({ type: 'disconnect' });
  }

  #take(event: Event): void {
    const effects = this.#connection.take(event, performance.now());
    for (const effect of effects) this.#perform(effect);
    if (effects.some((effect) => effect.type === 'frame' && effect.frame.type === 'update')) this.#tellInTurn();
    else this.#tell();
    this.#show();
    this.#schedule();
  }

  #perform(effect: Effect): void {
    if (effect.type === 'authorise') this.#authorise(effect.attempt);
    else if (effect.type === 'open') this.#open(effect.attempt);
    else if (effect.type === 'send') this.#socket?.send(effect.text);
    else if (effect.type === 'close') this.#hangUp();
    else if (effect.type === 'welcome') {
      this.#maxFrame = effect.frame.max_frame;
      this.#flush();
    } else if (effect.type === 'lost') {
      this.#actions.lost();
      this.#subscriptions.lost(performance.now());
    } else this.#receive(effect.frame, performance.now());
  }

  #authorise(attempt: number): void {
    const given = this.#options.token;
    const token = async (): Promise<string> => (typeof given === 'string' ? given : given());
    token().then(
      (value) => this.#take({ type: 'token', attempt, token: value }),
      () => this.#take({ type: 'no token', attempt }),
    );
  }

  #open(attempt: number): void {
    this.#socket = this.#transport(this.#options.url, {
      opened: () => this.#take({ type: 'opened', attempt }),
      message: (text) => this.#take({ type: 'message', attempt, text }),
      closed: (code, reason) => this.#take({ type: 'closed', attempt, code, reason }),
    });
  }

  #hangUp(): void {
    this.#socket?.close();
    this.#socket = undefined;
  }

  #receive(frame: Down, now: number): void {
    switch (frame.type) {
      case 'outcome':
        if (this.#actions.settle(frame)) this.#again();
        else this.#flushSoon();
        break;
      case 'subscribed':
      case 'unsubscribed':
      case 'snapshot':
      case 'update':
      case 'commit':
        this.#subscriptions.receive(frame, now);
        this.#flushSoon();
        break;
      // The connection keeps these to itself.
      case 'welcome':
      case 'pong':
    }
  }

  /** Come back at once with another client id, if the connection has said `hello` with the one before. */
  #again(): void {
    const { state } = this.#connection;
    if (state !== 'open' && state !== 'greeting') return;
    this.#take({ type: 'disconnect' });
    this.#take({ type: 'connect' });
  }

  /** Send what is due once the current turn is over: stores of one page leave in one frame. */
  #flushSoon(): void {
    if (this.#flushing) return;
    this.#flushing = true;
    queueMicrotask(() => {
      this.#flushing = false;
      this.#flush();
      // What could not be sent has failed by now.
      this.#tellInTurn();
      this.#schedule();
    });
  }

  #flush(): void {
    if (this.#connection.state !== 'open') return;
    for (const frame of this.#subscriptions.send(this.#maxFrame)) this.#socket?.send(encode(frame));
    const writing = this.#options.persistence?.writing;
    // Sent before it is kept, an action could be brought a second time after a crash, under another number.
    if (writing !== undefined) void writing.then(() => this.#flushSoon());
    else for (const frame of this.#actions.send(this.#maxFrame)) this.#socket?.send(encode(frame));
  }

  /** Tell whoever listens to stores and pending actions. */
  #tell(): void {
    this.#tellAt = undefined;
    const now = performance.now();
    const told = this.#subscriptions.tell(now);
    // React renders in a microtask of its own, which was asked for before this one.
    if (told) queueMicrotask(() => this.#tire(performance.now(), now));
    if (told && this.#options.persistence !== undefined) this.#keepAt ??= performance.now() + KEEP_MS;
    const { actions } = this.#subscriptions.pending;
    if (actions === this.#toldPending) return;
    this.#toldPending = actions;
    for (const listener of [...this.#pendingListeners]) listener();
  }

  #tire(now: number, begun: number): void {
    this.#rest = now + Math.min(RESTS * (now - begun), MOST_REST_MS);
  }

  /** Tell it as soon as the page has rested from what it was told before. */
  #tellInTurn(): void {
    if (performance.now() < this.#rest) this.#tellAt = this.#rest;
    else this.#tell();
  }

  #show(): void {
    const { state, ending } = this.#connection;
    const next = { state: this.#paused ? 'paused' : SHOWN[state], code: ending?.code, reason: ending?.reason } as const;
    const { state: before, code, reason } = this.#status;
    if (next.state === before && next.code === code && next.reason === reason) return;
    this.#status = next;
    for (const listener of [...this.#listeners]) listener();
  }

  #keep(): void {
    this.#keepAt = undefined;
    if (this.#begun && !this.#closed) this.#options.persistence?.keepStores(this.#subscriptions.dehydrate());
  }

  /** One timer for everything that is due some time. */
  #schedule(): void {
    clearTimeout(this.#timer);
    if (this.#closed) return;
    const now = performance.now();
    const times = [this.#connection.deadline, this.#subscriptions.deadline(now), this.#actions.deadline];
    times.push(this.#pauseAt, this.#keepAt, this.#tellAt);
    const due = Math.min(...times.map((time) => time ?? Infinity));
    if (due === Infinity) return;
    this.#timer = setTimeout(() => {
      const then = performance.now();
      if (this.#keepAt !== undefined && then >= this.#keepAt) this.#keep();
      this.#subscriptions.sweep(then);
      this.#pause(then);
      this.#flushSoon();
      this.#take({ type: 'timer' });
    }, Math.max(0, due - now));
  }
}

function observable<Value>(listeners: Set<() => void>, get: () => Value): Observable<Value> {
  return {
    get,
    subscribe: (listener) => {
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

/** A client id (§2): 64 random bits, in hexadecimal. */
function randomId(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(8));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}
