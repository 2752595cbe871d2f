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
import type { JsonObject } from './json.ts';
import { Store } from './store.ts';
import { PENDING, Subscription } from './subscription.ts';
import type { StoreState } from './subscription.ts';

/** How long a store is kept after its last listener left: a page change often asks for it again. */
export const GRACE_MS = 5_000;

/** The frames that concern stores. */
export type StoreFrame = Subscribed | Unsubscribed | Snapshot | Update | Commit;

interface Shared {
  readonly store: Store;
  readonly subscriptions: Set<Subscription>;
}

export class Subscriptions {
  /** By name and parameters as the application wrote them. */
  readonly #wishes = new Map<string, Subscription>();
  /** By id on this connection. */
  readonly #byId = new Map<number, Subscription>();
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
  #lastId = 0;

  /** What can be shown of a store now. */
  state(name: string, params: JsonObject): StoreState {
    return this.#wishes.get(wish(name, params))?.state ?? PENDING;
  }

  /** Hold a store for a listener, who is called whenever there is something new to show. */
  hold(name: string, params: JsonObject, listener: () => void): void {
    const key = wish(name, params);
    let subscription = this.#wishes.get(key);
    if (subscription === undefined) {
      subscription = new Subscription(name, params);
      this.#wishes.set(key, subscription);
      this.#asking.add(subscription);
    }
    subscription.releaseAt = undefined;
    subscription.listeners.add(listener);
  }

  /** A listener leaves; the store goes {@link GRACE_MS} after the last one. */
  release(name: string, params: JsonObject, listener: () => void, now: number): void {
    const subscription = this.#wishes.get(wish(name, params));
    if (subscription?.listeners.delete(listener) && subscription.listeners.size === 0) {
      subscription.releaseAt = now + GRACE_MS;
    }
  }

  /** When {@link sweep} is due, if at all. */
  get deadline(): number | undefined {
    const times = [...this.#wishes.values()].flatMap(({ releaseAt }) => releaseAt ?? []);
    return times.length === 0 ? undefined : Math.min(...times);
  }

  /** Give up what nobody has wanted for long enough. */
  sweep(now: number): void {
    for (const [key, subscription] of this.#wishes) {
      if (subscription.releaseAt === undefined || subscription.releaseAt > now) continue;
      this.#wishes.delete(key);
      this.#asking.delete(subscription);
      this.#leave(subscription);
      this.#detach(subscription);
    }
  }

  /** The connection is lost: everything is asked for again on the next one. */
  lost(): void {
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
  receive(frame: StoreFrame): void {
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

  /** Call the listeners of everything that has something new to show: once each, after all of it is in place. */
  tell(): void {
    const stirred = [...this.#stirred];
    this.#stirred.clear();
    const changed = stirred.filter((subscription) => subscription.refresh());
    for (const { listeners } of changed) for (const listener of [...listeners]) listener();
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
