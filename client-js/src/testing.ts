/**
 * A server in memory that speaks the protocol: tests of components need no stack.
 *
 * Stores are documents, made when they are first asked for; actions are functions that change them. One commit, one
 * version for each store that it changed, and the patch is the whole document.
 */
import { FluxError } from './errors.ts';
import type { Dispatch, Down, Outcome, Subscribe, Up } from './frames.ts';
import { canonical } from './json.ts';
import type { Json, JsonObject } from './json.ts';
import type { SocketListener, Transport } from './transport.ts';

/** The stores as an action sees them: either all of its changes are kept, or none. */
export interface TestStores {
  get(name: string, params: JsonObject): Json;
  // Documents are whatever the test says they are.
  update(name: string, params: JsonObject, change: (document: any) => Json): void;
}

export interface TestServerOptions {
  /** What each store is before anything happens; one that is not named is `unknown_store`. */
  stores: Record<string, (params: JsonObject) => Json>;
  /** What each action does; returns its reply. */
  actions?: Record<string, (stores: TestStores, params: any, action: { actor: string; id: string }) => Json>;
}

export interface TestServer {
  /** For `createClient`; nothing listens there. */
  readonly url: string;
  readonly transport: Transport;
  /** Change a store as somebody else would. */
  update: TestStores['update'];
  /** Every action that took effect, in order. */
  readonly applied: readonly { name: string; params: JsonObject; actor: string }[];
  /** Cut all connections, and let none through until {@link reconnect}. */
  disconnect(): void;
  reconnect(): void;
}

/** For an action: refuse it, as `flux.reject` does. */
export function reject(code: string, message: string = code): never {
  throw new FluxError({ code, message });
}

/** Make a server. */
export function testServer(options: TestServerOptions): TestServer {
  return new MemoryServer(options);
}

const EPOCH = 'test';
/** As docs/protocol.md §2 has it. */
const WELCOME = { type: 'welcome', protocol: 1, max_frame: 65_536, heartbeat_ms: 25_000 } as const;

interface Held {
  document: Json;
  version: number;
}

class MemoryServer implements TestServer {
  readonly url = 'ws://test/ws';
  readonly applied: { name: string; params: JsonObject; actor: string }[] = [];
  readonly #options: TestServerOptions;
  readonly #stores = new Map<string, Held>();
  /** Outcomes of each client of each actor, in the order of their numbers. */
  readonly #outcomes = new Map<string, Outcome[]>();
  readonly #connections = new Set<TestConnection>();
  #reachable = true;

  constructor(options: TestServerOptions) {
    this.#options = options;
  }

  readonly transport: Transport = (_url, listener) => {
    const connection = new TestConnection(this, listener);
    this.#connections.add(connection);
    queueMicrotask(() => (this.#reachable ? connection.open() : connection.cut()));
    return {
      send: (text) => queueMicrotask(() => connection.receive(JSON.parse(text) as Up)),
      close: () => void this.#connections.delete(connection.end()),
    };
  };

  readonly update: TestStores['update'] = (name, params, change) => {
    this.#commit((stores) => stores.update(name, params, change));
  };

  disconnect(): void {
    this.#reachable = false;
    for (const connection of this.#connections) connection.cut();
    this.#connections.clear();
  }

  reconnect(): void {
    this.#reachable = true;
  }

  /** A store by name and parameters; `undefined` if there is none of that name. */
  open(name: string, params: JsonObject): { key: string; held: Held } | undefined {
    const make = Object.hasOwn(this.#options.stores, name) ? this.#options.stores[name] : undefined;
    if (make === undefined) return undefined;
    const key = `${name}${canonical(params)}`;
    const held = this.#stores.get(key) ?? { document: structuredClone(make(params)), version: 1 };
    this.#stores.set(key, held);
    return { key, held };
  }

  /** §4: each number once and in order. */
  dispatch(actor: string, client: string, { number, name, params }: Dispatch): Outcome {
    const id = `${actor}/${client}`;
    const outcomes = this.#outcomes.get(id) ?? [];
    const before = outcomes[number - 1];
    if (before !== undefined) return before;
    const answer = { type: 'outcome', lane: 0, number, stores: {} } as const;
    if (number !== outcomes.length + 1) {
      const code = outcomes.length === 0 ? 'client_expired' : 'number_gap';
      return { ...answer, status: 'invalid', error: { code, message: code } };
    }
    const outcome = { ...answer, ...this.#run(actor, `${id}/${number}`, name, params) };
    this.#outcomes.set(id, [...outcomes, outcome]);
    return outcome;
  }

  #run(actor: string, id: string, name: string, params: JsonObject) {
    const action = Object.hasOwn(this.#options.actions ?? {}, name) ? this.#options.actions?.[name] : undefined;
    try {
      if (action === undefined) reject('unknown_action', `There is no action ${name}.`);
      let reply: Json = null;
      const stores = this.#commit((changed) => (reply = action(changed, params, { actor, id }) ?? null));
      this.applied.push({ name, params, actor });
      return { status: 'ok', reply, stores } as const;
    } catch (error) {
      const { code, message } = error instanceof FluxError ? error : { code: 'failed', message: String(error) };
      return { status: 'refused', error: { code, message } } as const;
    }
  }

  /** Run some changes; all of them become visible together, unless one of them throws. */
  #commit(run: (stores: TestStores) => void): Record<string, number> {
    const drafts = new Map<string, Json>();
    const get = (name: string, params: JsonObject): { key: string; document: Json } => {
      const { key, held } = this.open(name, params) ?? reject('unknown_store', `There is no store ${name}.`);
      return { key, document: drafts.get(key) ?? held.document };
    };
    run({
      get: (name, params) => get(name, params).document,
      update: (name, params, change) => {
        const { key, document } = get(name, params);
        drafts.set(key, change(document));
      },
    });
    for (const [key, document] of drafts) {
      const held = this.#stores.get(key) as Held;
      held.document = document;
      held.version += 1;
    }
    for (const connection of this.#connections) connection.tell(drafts, (key) => (this.#stores.get(key) as Held).version);
    return Object.fromEntries([...drafts.keys()].map((key) => [key, (this.#stores.get(key) as Held).version]));
  }
}

class TestConnection {
  readonly #server: MemoryServer;
  readonly #listener: SocketListener;
  readonly #ids = new Map<number, string>();
  #open = true;
  #actor = '';
  #client = '';

  constructor(server: MemoryServer, listener: SocketListener) {
    this.#server = server;
    this.#listener = listener;
  }

  open(): void {
    if (this.#open) this.#listener.opened();
  }

  cut(): void {
    if (!this.#open) return;
    this.#open = false;
    this.#listener.closed(1006, '');
  }

  /** Hung up by the client. */
  end(): this {
    this.#open = false;
    return this;
  }

  receive(frame: Up): void {
    if (!this.#open) return;
    if (frame.type === 'hello') {
      this.#actor = frame.token ?? '';
      this.#client = frame.client;
      this.#say({ ...WELCOME, actor: this.#actor });
    } else if (frame.type === 'ping') this.#say({ type: 'pong' });
    else if (frame.type === 'subscribe') this.#subscribe(frame);
    else if (frame.type === 'unsubscribe') for (const id of frame.ids) this.#ids.delete(id);
    else if (frame.type === 'dispatch') {
      const outcome = this.#server.dispatch(this.#actor, this.#client, frame);
      const held = new Set(this.#ids.values());
      const stores = Object.entries(outcome.stores).filter(([key]) => held.has(key));
      this.#say({ ...outcome, stores: Object.fromEntries(stores) });
    }
  }

  /** A commit: whichever of its documents this connection holds. */
  tell(documents: ReadonlyMap<string, Json>, version: (key: string) => number): void {
    const held = new Set(this.#ids.values());
    const mine = [...documents].filter(([key]) => held.has(key));
    if (mine.length > 1) this.#say({ type: 'commit', updates: mine.length });
    for (const [store, value] of mine) {
      const to = version(store);
      const patch = [{ op: 'replace', path: '', value } as const];
      this.#say({ type: 'update', store, epoch: EPOCH, from: to - 1, to, patch });
    }
  }

  #subscribe({ stores }: Subscribe): void {
    for (const { id, name, params, epoch, version: before } of stores) {
      const found = this.#server.open(name, params);
      if (found === undefined) {
        this.#say({ type: 'unsubscribed', id, error: { code: 'unknown_store', message: `There is no store ${name}.` } });
        continue;
      }
      const { key: store, held } = found;
      const { version, document } = held;
      const resumed = (epoch === EPOCH && before === version) || [...this.#ids.values()].includes(store);
      this.#ids.set(id, store);
      this.#say({ type: 'subscribed', id, store, epoch: EPOCH, version, resumed });
      if (!resumed) this.#say({ type: 'snapshot', store, epoch: EPOCH, version, document });
    }
  }

  #say(frame: Down): void {
    const text = JSON.stringify(frame);
    queueMicrotask(() => {
      if (this.#open) this.#listener.message(text);
    });
  }
}
