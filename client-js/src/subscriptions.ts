/**
 * All subscriptions of one client (§3): asked for, fed, resumed, given up.
 *
 * Pure: frames go in by {@link Subscriptions.receive} and come out of {@link Subscriptions.send};
 * time comes in as an argument.
 */
import { FluxError, tooLarge } from './errors.ts';
import { fits, MAX_STORES } from './frames.ts';
import type { Commit, Snapshot, Subscribe, Subscribed, Unsubscribe, Unsubscribed, Update, Wanted } from './frames.ts';
import { canonical } from './json.ts';
import type { Json, JsonObject } from './json.ts';
import { PATIENCE_MS, Pending } from './pending.ts';
import type { Entry } from './pending.ts';
import { Store } from './store.ts';
import { PENDING, Subscription } from './subscription.ts';
import type { StoreState } from './subscription.ts';

/** How long a store is kept after its last listener left: a page change often asks for it again. */
export const GRACE_MS = 5_000;

/** The frames that concern stores. */
export type StoreFrame = Subscribed | Unsubscribed | Snapshot | Update | Commit;

/** A frame that waits for the outcome of an action: it may be what that action led to. So does what comes after it. */
interface Early {
  readonly take: () => void;
  readonly awaited: Entry;
  /** When it came. */
  readonly since: number;
}

interface Shared {
  readonly store: Store;
  readonly subscriptions: Set<Subscription>;
}

/** A store as it was held once: on another page, before a reload, or by a server that rendered the page. */
export interface KeptStore {
  readonly name: string;
  readonly params: JsonObject;
  readonly key: string;
  readonly epoch: string;
  readonly version: number;
  readonly document: Json;
}

/** Stores remembered that nobody holds; the oldest go first. */
const REMEMBERED = 100;

export class Subscriptions {
  readonly #graceMs: number;
  /** By name and parameters as the application wrote them. */
  readonly #wishes = new Map<string, Subscription>();
  /** By id on this connection. */
  readonly #byId = new Map<number, Subscription>();
  /** Documents of stores that nobody holds now, by name and parameters. */
  readonly #remembered = new Map<string, { kept: KeptStore; state: StoreState }>();
  /** By store key. */
  readonly #stores = new Map<string, Shared>();
  /** Not sent yet. */
  readonly #asking = new Set<Subscription>();
  readonly #leaving: number[] = [];
  /** Have something new to show. */
  readonly #stirred = new Set<Subscription>();
  /** The updates of a commit that is not complete yet, and how many are missing (§5). */
  readonly #group: Update[] = [];
  #missing = 0;
  /** What is not looked at yet, in order. */
  readonly #early: Early[] = [];
  #lastId = 0;

  /** The actions on their way, and what they are predicted to do to these stores. */
  readonly pending: Pending = new Pending({
    find: (name, params) => this.#wishes.get(wish(name, params))?.store,
    byKey: (key) => this.#stores.get(key)?.store,
  });

  /** @param graceMs - How long a store is kept after its last listener left, in milliseconds. */
  constructor(graceMs: number = GRACE_MS) {
    this.#graceMs = graceMs;
  }

  /** What can be shown of a store now. */
  state(name: string, params: JsonObject): StoreState {
    const key = wish(name, params);
    return this.#wishes.get(key)?.state ?? this.#remembered.get(key)?.state ?? PENDING;
  }

  /** Show these documents until the front has newer ones, which continue from them (§3). */
  hydrate(stores: readonly KeptStore[]): void {
    for (const kept of stores) {
      const key = wish(kept.name, kept.params);
      const { version, document: data } = kept;
      this.#remembered.delete(key);
      this.#remembered.set(key, { kept, state: { status: 'stale', data, version, error: undefined } });
      const subscription = this.#wishes.get(key);
      if (subscription !== undefined) this.#recall(key, subscription);
    }
    const surplus = [...this.#remembered.keys()].slice(0, -REMEMBERED);
    for (const key of surplus) this.#remembered.delete(key);
  }

  /** Every document, of now or from before, that {@link hydrate} can go on from. */
  dehydrate(): KeptStore[] {
    const held = [...this.#wishes.values()].flatMap((subscription) => kept(subscription) ?? []);
    return [...[...this.#remembered.values()].map((one) => one.kept), ...held];
  }

  /** Hold a store for a listener, who is called whenever there is something new to show. */
  hold(name: string, params: JsonObject, listener: () => void): void {
    const key = wish(name, params);
    let subscription = this.#wishes.get(key);
    if (subscription === undefined) {
      subscription = new Subscription(name, params);
      this.#wishes.set(key, subscription);
      this.#asking.add(subscription);
      this.#recall(key, subscription);
    }
    subscription.releaseAt = undefined;
    subscription.listeners.add(listener);
  }

  /** A listener leaves; the store goes a while after the last one. */
  release(name: string, params: JsonObject, listener: () => void, now: number): void {
    const subscription = this.#wishes.get(wish(name, params));
    if (subscription?.listeners.delete(listener) && subscription.listeners.size === 0) {
      subscription.releaseAt = now + this.#graceMs;
    }
  }

  /** When {@link sweep} is due, if at all. */
  deadline(now: number): number | undefined {
    const times = [...this.#wishes.values()].flatMap(({ releaseAt }) => releaseAt ?? []);
    const settling = this.pending.deadline(now);
    if (settling !== undefined) times.push(settling);
    if (this.#early[0] !== undefined) times.push(this.#early[0].since + PATIENCE_MS);
    return times.length === 0 ? undefined : Math.min(...times);
  }

  /** Give up what nobody has wanted for long enough, and wait no longer for outcomes that are late. */
  sweep(now: number): void {
    this.catchUp(now);
    for (const [key, subscription] of this.#wishes) {
      if (subscription.releaseAt === undefined || subscription.releaseAt > now) continue;
      const last = kept(subscription);
      this.#wishes.delete(key);
      if (last !== undefined) this.hydrate([last]);
      this.#asking.delete(subscription);
      this.#leave(subscription);
      this.#detach(subscription);
    }
  }

  /** The connection is lost: everything is asked for again on the next one. */
  lost(now: number): void {
    this.pending.lost();
    this.catchUp(now);
    this.#byId.clear();
    this.#leaving.length = 0;
    // §5: half a commit is never shown. Its stores resume from before it.
    this.#group.length = 0;
    this.#missing = 0;
    for (const { store } of this.#stores.values()) store.pause();
    for (const subscription of this.#wishes.values()) {
      subscription.id = undefined;
      this.#asking.add(subscription);
      this.#stirred.add(subscription);
    }
  }

  /**
   * The frames that are to be sent on an open connection, in order.
   *
   * @param maxFrame - The longest frame that the front takes, in bytes.
   */
  send(maxFrame: number): (Unsubscribe | Subscribe)[] {
    const frames: (Unsubscribe | Subscribe)[] = [];
    // Leaving first: to start a key anew, the front must have dropped it.
    while (this.#leaving.length > 0) frames.push({ type: 'unsubscribe', ids: this.#leaving.splice(0, MAX_STORES) });
    const wanted: Wanted[] = [];
    for (const subscription of this.#asking) {
      const one = this.#ask(subscription, maxFrame);
      if (one !== undefined) wanted.push(one);
    }
    this.#asking.clear();
    return [...frames, ...packed(wanted, maxFrame)];
  }

  /** Take a frame. Listeners hear of it by {@link tell}. */
  receive(frame: StoreFrame, now: number): void {
    this.catchUp(now);
    const awaited = this.pending.expected(now) ?? this.#early.at(-1)?.awaited;
    if (awaited === undefined) this.#take(frame);
    else this.#early.push({ take: () => this.#take(frame), awaited, since: now });
  }

  /** An action is committed; `versions` are those of its outcome (§4). */
  accept(entry: Entry, versions: JsonObject, now: number): void {
    this.pending.accept(entry);
    this.#early.push({ take: () => this.pending.settle(entry, versions, now), awaited: entry, since: now });
    this.catchUp(now);
  }

  /** Take the frames that waited for outcomes, once all of these are there, or the first frame has waited for too long. */
  catchUp(now: number): void {
    const [first] = this.#early;
    if (first === undefined) return;
    const patient = now < first.since + PATIENCE_MS;
    if (patient && this.#early.some(({ awaited }) => this.pending.waits(awaited, now))) return;
    for (const { take } of this.#early.splice(0)) take();
  }

  #take(frame: StoreFrame): void {
    if (frame.type === 'commit') {
      this.#missing = frame.updates;
      return;
    }
    if (frame.type === 'update' && this.#missing > 0) {
      this.#group.push(frame);
      this.#missing -= 1;
      if (this.#missing > 0) return;
      for (const update of this.#group.splice(0)) this.#update(update);
      return;
    }
    if (frame.type === 'update') this.#update(frame);
    else if (frame.type === 'snapshot') this.#snapshot(frame);
    else if (frame.type === 'subscribed') this.#subscribed(frame);
    else this.#unsubscribed(frame);
  }

  /**
   * Call the listeners of everything that has something new to show: once each, after all of it is in place.
   *
   * @returns True if there was anything.
   */
  tell(now: number): boolean {
    for (const { key } of this.pending.rebase(now)) {
      const shared = this.#stores.get(key);
      if (shared !== undefined) this.#stir(shared);
    }
    const stirred = [...this.#stirred];
    this.#stirred.clear();
    const changed = stirred.filter((subscription) => subscription.refresh());
    for (const { listeners } of changed) for (const listener of [...listeners]) listener();
    return changed.length > 0;
  }

  #recall(key: string, subscription: Subscription): void {
    const before = this.#remembered.get(key)?.kept;
    if (before === undefined || subscription.store !== undefined) return;
    this.#remembered.delete(key);
    const shared = this.#attach(subscription, before.key);
    shared.store.recall(before);
    this.#stir(shared);
  }

  #ask(subscription: Subscription, maxFrame: number): Wanted | undefined {
    const { name, params, store } = subscription;
    this.#lastId += 1;
    const wanted: Wanted = { id: this.#lastId, name, params, ...store?.resume };
    if (packed([wanted], maxFrame).length === 0) {
      this.#fail(subscription, tooLarge(name, maxFrame));
      return undefined;
    }
    subscription.id = wanted.id;
    this.#byId.set(wanted.id, subscription);
    return wanted;
  }

  #subscribed(frame: Subscribed): void {
    const subscription = this.#byId.get(frame.id);
    if (subscription === undefined) {
      // Given up meanwhile. What follows may be all that another wish with the same key gets.
      this.#stores.get(frame.store)?.store.begin(frame);
      return;
    }
    subscription.error = undefined;
    const shared = this.#attach(subscription, frame.store);
    if (!shared.store.begin(frame)) this.#anew(shared);
    this.#stir(shared);
  }

  #unsubscribed(frame: Unsubscribed): void {
    const subscription = this.#byId.get(frame.id);
    if (subscription === undefined) return;
    this.#byId.delete(frame.id);
    subscription.id = undefined;
    this.#fail(subscription, new FluxError(frame.error));
  }

  #snapshot(frame: Snapshot): void {
    const shared = this.#stores.get(frame.store);
    if (shared === undefined) return;
    shared.store.replace(frame);
    this.#stir(shared);
  }

  #update(frame: Update): void {
    const shared = this.#stores.get(frame.store);
    if (shared === undefined) return;
    if (!shared.store.update(frame)) this.#anew(shared);
    this.#stir(shared);
  }

  /** §3: a gap, which a front never makes. Subscribe anew, without epoch and version. */
  #anew({ store, subscriptions }: Shared): void {
    store.forget();
    for (const subscription of subscriptions) {
      this.#leave(subscription);
      this.#asking.add(subscription);
    }
  }

  #leave(subscription: Subscription): void {
    if (subscription.id === undefined) return;
    this.#byId.delete(subscription.id);
    this.#leaving.push(subscription.id);
    subscription.id = undefined;
  }

  #fail(subscription: Subscription, error: FluxError): void {
    subscription.error = error;
    this.#detach(subscription);
    this.#stirred.add(subscription);
  }

  #attach(subscription: Subscription, key: string): Shared {
    const before = subscription.store;
    if (before !== undefined && before.key !== key) this.#detach(subscription);
    let shared = this.#stores.get(key);
    if (shared === undefined) {
      // Should a wish lead to another key than before, its old document stays until the snapshot comes.
      shared = { store: new Store(key, before?.document), subscriptions: new Set() };
      this.#stores.set(key, shared);
    }
    shared.subscriptions.add(subscription);
    subscription.store = shared.store;
    return shared;
  }

  #detach(subscription: Subscription): void {
    const shared = subscription.store && this.#stores.get(subscription.store.key);
    subscription.store = undefined;
    shared?.subscriptions.delete(subscription);
    if (shared?.subscriptions.size === 0) this.#stores.delete(shared.store.key);
  }

  #stir({ subscriptions }: Shared): void {
    for (const subscription of subscriptions) this.#stirred.add(subscription);
  }
}

function kept({ name, params, store }: Subscription): KeptStore | undefined {
  if (store?.epoch === undefined || store.version === undefined || store.document === undefined) return undefined;
  const { key, epoch, version, document } = store;
  return { name, params, key, epoch, version, document };
}

function wish(name: string, params: JsonObject): string {
  return `${name}${canonical(params)}`;
}

/** As few frames as the limits of §1 and §3 allow; a store that fits in none is left out. */
function packed(wanted: Wanted[], maxFrame: number): Subscribe[] {
  const frame: Subscribe = { type: 'subscribe', stores: wanted };
  if (wanted.length === 0) return [];
  if (wanted.length <= MAX_STORES && fits(JSON.stringify(frame), maxFrame)) return [frame];
  if (wanted.length === 1) return [];
  const half = Math.ceil(wanted.length / 2);
  return [...packed(wanted.slice(0, half), maxFrame), ...packed(wanted.slice(half), maxFrame)];
}
