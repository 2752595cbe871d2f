/**
 * A Fluxwire client: wires the pure parts to a socket, a clock and one timer.
 */
import { Connection } from './connection.ts';
import type { Effect, Event, State } from './connection.ts';
import { closed } from './errors.ts';
import { DEFAULT_MAX_FRAME, encode } from './frames.ts';
import type { Down } from './frames.ts';
import { isObject } from './json.ts';
import type { Json, JsonObject } from './json.ts';
import { Outbox } from './outbox.ts';
import type { ActionRef, StoreRef } from './refs.ts';
import type { StoreState } from './subscription.ts';
import { Subscriptions } from './subscriptions.ts';
import { webSocket } from './transport.ts';
import type { Socket, Transport } from './transport.ts';

export interface ClientOptions {
  /** Where a front listens, for example `wss://example.org/ws`. */
  url: string;
  /** The token, or a function that brings one; it is called for each connection. */
  token: string | (() => Promise<string>);
  /** Opens sockets; the platform's WebSocket unless given. */
  transport?: Transport;
}

/** The connection as an application shows it. */
export interface ConnectionStatus {
  readonly state: 'closed' | 'connecting' | 'open' | 'waiting' | 'signed out' | 'stopped';
  /** The close code that ended the last connection, while there is no new one. */
  readonly code: number | undefined;
  readonly reason: string | undefined;
}

/** A store that can be listened to; both members may be passed on by themselves. */
export interface StoreHandle<Document> {
  /** What can be shown now; the same object as long as nothing has changed. */
  readonly get: () => StoreState<Document>;
  /** Hold the store and be told of changes, until the returned function is called. */
  readonly subscribe: (listener: () => void) => () => void;
}

/** What a client offers. Made by {@link createClient}; connects at once. */
export interface Client {
  /** A store; nothing is asked of a front before somebody subscribes to it. */
  store<Document>(ref: StoreRef<Document>): StoreHandle<Document>;
  /**
   * Bring an action, now or as soon as there is a connection; it takes effect exactly once.
   *
   * @returns Its reply, once it is committed. Rejects with a `FluxError` if it is refused.
   */
  dispatch<Params extends object, Reply>(ref: ActionRef<Params, Reply>, params: Params): Promise<Reply>;
  /** The connection, to be shown. */
  readonly connection: {
    readonly get: () => ConnectionStatus;
    readonly subscribe: (listener: () => void) => () => void;
  };
  /** Try again now: after `signed out` or `stopped`, or to cut a wait short. */
  connect(): void;
  /** Hang up for good; actions without an outcome are rejected with `closed`. */
  close(): void;
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

/**
 * Make a client and connect it.
 *
 * @throws TypeError if the address is no URL.
 */
export function createClient({ url, token, transport = webSocket }: ClientOptions): Client {
  const address = new URL(url).href;
  return new SocketClient(address, token, transport);
}

class SocketClient implements Client {
  readonly #url: string;
  readonly #token: ClientOptions['token'];
  readonly #transport: Transport;
  readonly #outbox = new Outbox(randomId, Math.random);
  readonly #subscriptions = new Subscriptions();
  readonly #connection: Connection;
  readonly #listeners = new Set<() => void>();
  #status: ConnectionStatus = { state: 'closed', code: undefined, reason: undefined };
  #socket: Socket | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #maxFrame = DEFAULT_MAX_FRAME;
  #flushing = false;
  #closed = false;

  constructor(url: string, token: ClientOptions['token'], transport: Transport) {
    this.#url = url;
    this.#token = token;
    this.#transport = transport;
    this.#connection = new Connection({
      client: () => this.#outbox.client,
      renewable: typeof token === 'function',
      random: Math.random,
    });
    // Browsers tell when the network is back: no need to sit out the back-off.
    globalThis.addEventListener?.('online', this.connect);
    this.connect();
  }

  readonly connection: Client['connection'] = {
    get: () => this.#status,
    subscribe: (listener) => {
      this.#listeners.add(listener);
      return () => this.#listeners.delete(listener);
    },
  };

  store<Document>(ref: StoreRef<Document>): StoreHandle<Document> {
    const { name } = ref;
    const params = plain(ref.params);
    return {
      get: () => this.#subscriptions.state(name, params) as StoreState<Document>,
      subscribe: (changed) => {
        // One listener may be given twice: each subscription gets its own.
        const listener = (): void => changed();
        this.#subscriptions.hold(name, params, listener);
        this.#flushSoon();
        return () => {
          this.#subscriptions.release(name, params, listener, performance.now());
          this.#schedule();
        };
      },
    };
  }

  dispatch<Params extends object, Reply>(ref: ActionRef<Params, Reply>, params: Params): Promise<Reply> {
    return new Promise((resolve, reject) => {
      if (this.#closed) throw closed();
      this.#outbox.add(ref.name, plain(params), resolve as (reply: Json) => void, reject);
      this.#flushSoon();
    });
  }

  readonly connect = (): void => {
    if (!this.#closed) this.#take({ type: 'connect' });
  };

  close(): void {
    this.#closed = true;
    globalThis.removeEventListener?.('online', this.connect);
    this.#take({ type: 'disconnect' });
    clearTimeout(this.#timer);
    this.#outbox.close(closed());
  }

  #take(event: Event): void {
    for (const effect of this.#connection.take(event, performance.now())) this.#perform(effect);
    this.#subscriptions.tell();
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
      this.#outbox.lost();
      this.#subscriptions.lost();
    } else this.#receive(effect.frame);
  }

  #authorise(attempt: number): void {
    const token = async (): Promise<string> => (typeof this.#token === 'string' ? this.#token : this.#token());
    token().then(
      (value) => this.#take({ type: 'token', attempt, token: value }),
      () => this.#take({ type: 'no token', attempt }),
    );
  }

  #open(attempt: number): void {
    this.#socket = this.#transport(this.#url, {
      opened: () => this.#take({ type: 'opened', attempt }),
      message: (text) => this.#take({ type: 'message', attempt, text }),
      closed: (code, reason) => this.#take({ type: 'closed', attempt, code, reason }),
    });
  }

  #hangUp(): void {
    this.#socket?.close();
    this.#socket = undefined;
  }

  #receive(frame: Down): void {
    switch (frame.type) {
      case 'outcome':
        if (this.#outbox.settle(frame, performance.now())) this.#again();
        else this.#flushSoon();
        break;
      case 'subscribed':
      case 'unsubscribed':
      case 'snapshot':
      case 'update':
      case 'commit':
        this.#subscriptions.receive(frame);
        this.#flushSoon();
        break;
      // The connection keeps these to itself.
      case 'welcome':
      case 'pong':
    }
  }

  /** Come back at once, with the client id that the outbox has taken. */
  #again(): void {
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
      this.#subscriptions.tell();
      this.#schedule();
    });
  }

  #flush(): void {
    if (this.#connection.state !== 'open') return;
    const dispatches = this.#outbox.send(this.#maxFrame, performance.now());
    const frames = [...this.#subscriptions.send(this.#maxFrame), ...dispatches];
    for (const frame of frames) this.#socket?.send(encode(frame));
  }

  #show(): void {
    const { state, ending } = this.#connection;
    const next = { state: SHOWN[state], code: ending?.code, reason: ending?.reason };
    const { state: before, code, reason } = this.#status;
    if (next.state === before && next.code === code && next.reason === reason) return;
    this.#status = next;
    for (const listener of [...this.#listeners]) listener();
  }

  /** One timer for everything that is due some time. */
  #schedule(): void {
    clearTimeout(this.#timer);
    if (this.#closed) return;
    const deadlines = [this.#connection.deadline, this.#subscriptions.deadline, this.#outbox.deadline];
    const due = Math.min(...deadlines.map((deadline) => deadline ?? Infinity));
    if (due === Infinity) return;
    this.#timer = setTimeout(() => {
      this.#subscriptions.sweep(performance.now());
      this.#flushSoon();
      this.#take({ type: 'timer' });
    }, Math.max(0, due - performance.now()));
  }
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
