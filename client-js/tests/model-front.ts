/**
 * A front with everything behind it, as docs/protocol.md describes them, in memory and in order.
 *
 * A store's parameters are all cast to text, so that `1` and `"1"` are one store; the store
 * `secret` may not be read. The action `append {store, item}` appends to a store's list,
 * `both {item}` appends to the lists of `a` and `b` in one commit, and `refuse` is refused.
 */
import oracle from 'fast-json-patch';
import type { Dispatch, Down, Hello, Outcome, Subscribe, Unsubscribe, Up, Update, Wanted } from '../src/frames.ts';
import { canonical } from '../src/json.ts';
import type { Json, JsonObject } from '../src/json.ts';
import type { Operation } from '../src/patch.ts';

interface ModelStore {
  epoch: string;
  version: number;
  document: { items: Json[] };
  /** What this epoch's patches were, to resume by. */
  links: Update[];
}

interface ModelClient {
  next: number;
  outcomes: Map<number, Outcome>;
}

export function keyOf(name: string, params: JsonObject): string {
  return name + canonical(Object.fromEntries(Object.entries(params).map(([one, value]) => [one, String(value)])));
}

export class ModelFront {
  readonly stores = new Map<string, ModelStore>();
  readonly #clients = new Map<string, ModelClient>();
  readonly sessions = new Set<ModelSession>();
  /** Documents that were ever true, as `key version document`. */
  readonly history = new Set<string>();
  /** Items in the order in which they were appended. */
  readonly appended: Json[] = [];
  /** Whether an outcome overtakes the updates of its own commit. */
  outcomeFirst = false;
  maxFrame = 65_536;
  #epochs = 0;

  store(key: string): ModelStore {
    let store = this.stores.get(key);
    if (store === undefined) {
      store = { epoch: this.#epoch(), version: 0, document: { items: [] }, links: [] };
      this.stores.set(key, store);
      this.#note(key, store);
    }
    return store;
  }

  /** One commit that appends an item to the lists of some stores. */
  commit(keys: string[], item: Json): JsonObject {
    const updates = keys.map((key) => this.#append(key, item));
    for (const session of this.sessions) session.updates(updates);
    return Object.fromEntries(updates.map(([key, { to }]) => [key, to]));
  }

  /** A new numbering, as after a database was restored: holders start from a snapshot. */
  renumber(key: string): void {
    const store = this.store(key);
    Object.assign(store, { epoch: this.#epoch(), version: 0, links: [] });
    this.#note(key, store);
    for (const session of this.sessions) session.snapshot(key);
  }

  /** All clients expire. */
  expire(): void {
    this.#clients.clear();
  }

  dispatch(client: string, { number, name, params }: Dispatch): Outcome {
    const known = this.#clients.get(client) ?? { next: 1, outcomes: new Map<number, Outcome>() };
    const invalid = (code: string): Outcome => ({
      ...{ type: 'outcome', lane: 0, number, stores: {} },
      ...{ status: 'invalid', error: { code, message: code } },
    });
    if (!this.#clients.has(client) && number > 1) return invalid('client_expired');
    if (number > known.next) return invalid('number_gap');
    if (number < known.next) return known.outcomes.get(number) ?? invalid('outcome_expired');
    this.#clients.set(client, known);
    const outcome = this.#run(number, name, params);
    known.outcomes.set(number, outcome);
    known.next += 1;
    return outcome;
  }

  #run(number: number, name: string, params: JsonObject): Outcome {
    const answer = { type: 'outcome', lane: 0, number, stores: {} } as const;
    if (name === 'refuse') return { ...answer, status: 'refused', error: { code: 'no', message: 'No.' } };
    const item = params['item'] as Json;
    this.appended.push(item);
    const keys = name === 'both' ? [keyOf('a', {}), keyOf('b', {})] : [params['store'] as string];
    return { ...answer, stores: this.commit(keys, item), status: 'ok', reply: { item } };
  }

  #append(key: string, item: Json): [string, Update] {
    const store = this.store(key);
    const document = { items: [...store.document.items, item] };
    const patch = oracle.compare(store.document, document) as Operation[];
    const { epoch, version: from } = store;
    const update: Update = { type: 'update', store: key, epoch, from, to: from + 1, patch };
    Object.assign(store, { document, version: from + 1 });
    store.links.push(update);
    this.#note(key, store);
    return [key, update];
  }

  #epoch(): string {
    this.#epochs += 1;
    return `epoch-${this.#epochs}`;
  }

  #note(key: string, { version, document }: ModelStore): void {
    this.history.add(`${key} ${version} ${canonical(document)}`);
  }
}

/** One connection of a client to the model; what it has to say waits in `down`. */
export class ModelSession {
  readonly #front: ModelFront;
  readonly down: string[] = [];
  /** Numbers as they came. */
  readonly numbers: number[] = [];
  #hello: Hello | undefined;
  readonly #held = new Map<string, Set<number>>();

  constructor(front: ModelFront) {
    this.#front = front;
    front.sessions.add(this);
  }

  close(): void {
    this.#front.sessions.delete(this);
  }

  get client(): string | undefined {
    return this.#hello?.client;
  }

  /** Take one frame; throws where a front would close with 4001. */
  receive(text: string): void {
    const frame = JSON.parse(text) as Up;
    if (frame.type === 'hello') this.#welcome(frame);
    else if (this.#hello === undefined) throw new Error(`${frame.type} before hello`);
    else if (frame.type === 'ping') this.say({ type: 'pong' });
    else if (frame.type === 'subscribe') this.#subscribe(frame);
    else if (frame.type === 'unsubscribe') this.#unsubscribe(frame);
    else if (frame.type === 'dispatch') {
      this.numbers.push(frame.number);
      const before = this.down.length;
      const outcome = this.#front.dispatch(this.#hello.client, frame);
      const held = Object.entries(outcome.stores).filter(([key]) => this.#held.has(key));
      const updates = this.#front.outcomeFirst ? this.down.splice(before) : [];
      this.say({ ...outcome, stores: Object.fromEntries(held) });
      this.down.push(...updates);
    }
  }

  /** Whether it gets the updates of a store. */
  holds(key: string): boolean {
    return this.#held.has(key);
  }

  say(frame: Down): void {
    this.down.push(JSON.stringify(frame));
  }

  updates(changes: [string, Update][]): void {
    const mine = changes.filter(([key]) => this.#held.has(key));
    if (mine.length > 1) this.say({ type: 'commit', updates: mine.length });
    for (const [, update] of mine) this.say(update);
  }

  snapshot(key: string): void {
    if (!this.#held.has(key)) return;
    const { epoch, version, document } = this.#front.store(key);
    this.say({ type: 'snapshot', store: key, epoch, version, document });
  }

  #welcome(hello: Hello): void {
    if (this.#hello !== undefined) throw new Error('a second hello');
    this.#hello = hello;
    this.say({ type: 'welcome', protocol: 1, actor: 'ada', max_frame: this.#front.maxFrame, heartbeat_ms: 25_000 });
  }

  #subscribe({ stores }: Subscribe): void {
    for (const wanted of stores) this.#open(wanted);
  }

  #open({ id, name, params, epoch, version }: Wanted): void {
    if ([...this.#held.values()].some((ids) => ids.has(id))) throw new Error(`id ${id} is used`);
    if (name === 'secret') {
      this.say({ type: 'unsubscribed', id, error: { code: 'forbidden', message: 'You may not read this store.' } });
      return;
    }
    const key = keyOf(name, params);
    const store = this.#front.store(key);
    const held = this.#held.get(key);
    const first = store.links[0]?.from ?? store.version;
    const reached = epoch === store.epoch && version !== undefined && version >= first && version <= store.version;
    const resumed = held !== undefined || reached;
    const { document, ...at } = { store: key, epoch: store.epoch, version: store.version, document: store.document };
    this.say({ type: 'subscribed', id, ...at, resumed });
    if (held !== undefined) held.add(id);
    else {
      this.#held.set(key, new Set([id]));
      const missed = store.links.filter(({ from }) => version !== undefined && from >= version);
      if (!resumed) this.say({ type: 'snapshot', ...at, document });
      else if (missed.length > 0) this.say(joined(missed));
    }
  }

  #unsubscribe({ ids }: Unsubscribe): void {
    for (const [key, held] of this.#held) {
      for (const id of ids) held.delete(id);
      if (held.size === 0) this.#held.delete(key);
    }
  }
}

/** Several links as one: a chain may step over versions. */
function joined(links: Update[]): Update {
  const [first, last] = [links[0] as Update, links.at(-1) as Update];
  return { ...first, to: last.to, patch: links.flatMap(({ patch }) => patch) };
}
