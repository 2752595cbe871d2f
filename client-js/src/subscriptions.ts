/**
 * All subscriptions of one client (§3): asked for, fed, resumed, given up.
 *
 * Pure: frames go in by {@link Subscriptions.receive} and come out of {@link Subscriptions.send};
 * time comes in as an argument.
 */
import { FluxError, tooLarge } from './errors.ts';
import { MAX_STORES, sizeOf } from './frames.ts';
import type { Commit, Snapshot, Subscribe, Subscribed, Unsubscribe, Unsubscribed, Update, Wanted } from './frames.ts';
import { canonical } from './json.ts';
import type { Json, JsonObject } from './json.ts';
import { makePending, PATIENCE_MS } from './pending.ts';
import type { Entry, Pending } from './pending.ts';
import { begin, follow, forget, makeStore, replace } from './store.ts';
import type { Position, Store } from './store.ts';
import { PENDING, refresh } from './subscription.ts';
import type { Held, StoreState, Subscription } from './subscription.ts';

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

/** A store as it was held once: on another page, before a reload, or by a server that rendered the page. */
export interface KeptStore extends Position {
  readonly name: string;
  readonly params: JsonObject;
  readonly key: string;
  readonly document: Json;
}

/** What a `subscribe` takes beside its stores, in bytes. */
const FRAME = 32;

/** Stores remembered that nobody holds; the oldest go first. */
const REMEMBERED = 100;

/** All subscriptions of a client; made by {@link makeSubscriptions}. */
export interface Subscriptions {
  /** The actions on their way, and what they are predicted to do to these stores. */
  readonly pending: Pending;
  /** What can be shown of a store now. */
  state(name: string, params: JsonObject): StoreState;
  /** Show these documents until the front has newer ones, which continue from them (§3). */
  hydrate(stores: readonly KeptStore[]): void;
  /** Every document, of now or from before, that {@link hydrate} can go on from. */
  dehydrate(): KeptStore[];
  /** Hold a store for a listener, who is called whenever there is something new to show. */
  hold(name: string, params: JsonObject, listener: () => void): void;
  /** A listener leaves; the store goes a while after the last one. */
  release(name: string, params: JsonObject, listener: () => void, now: number): void;
  /** Have the whole of a store sent anew; what is there is shown until it comes. */
  renew(name: string, params: JsonObject): void;
  /** When {@link sweep} is due; `Infinity` if it is not. */
  deadline(now: number): number;
  /** Give up what nobody has wanted for long enough, and wait no longer for outcomes that are late. */
  sweep(now: number): void;
  /** The connection is lost: everything is asked for again on the next one. */
  lost(now: number): void;
  /**
   * The frames that are to be sent on an open connection, in order.
   *
   * @param maxFrame - The longest frame that the front takes, in bytes.
   */
  send(maxFrame: number): (Unsubscribe | Subscribe)[];
  /** Take a frame. Listeners hear of it by {@link tell}. */
  receive(frame: StoreFrame, now: number): void;
  /** An action is committed; `versions` are those of its outcome (§4). */
  accept(entry: Entry, versions: JsonObject, now: number): void;
  /** Take the frames that waited for outcomes, once all of these are there, or the first frame has waited for too long. */
  catchUp(now: number): void;
  /**
   * Call the listeners of everything that has something new to show: once each, after all of it is in place.
   *
   * @returns True if there was anything.
   */
  tell(now: number): boolean;
}

/** @param graceMs - How long a store is kept after its last listener left, in milliseconds. */
export function makeSubscriptions(graceMs: number = GRACE_MS): Subscriptions {
  /** By name and parameters as the application wrote them. */
  const wishes = new Map<string, Subscription>();
  /** By id on this connection. */
  const byId = new Map<number, Subscription>();
  /** Documents of stores that nobody holds now, by name and parameters. */
  const remembered = new Map<string, { kept: KeptStore; state: StoreState }>();
  /** By store key. */
  const stores = new Map<string, Held>();
  /** Not sent yet. */
  const asking = new Set<Subscription>();
  const leaving: number[] = [];
  /** Have something new to show. */
  const stirred = new Set<Subscription>();
  /** The updates of a commit that is not complete yet, and how many are missing (§5). */
  const group: Update[] = [];
  let missing = 0;
  /** What is not looked at yet, in order. */
  const early: Early[] = [];
  let lastId = 0;

  /** The actions on their way, and what they are predicted to do to these stores. */
  const pending = makePending({
    find: (name, params) => wishes.get(wish(name, params))?.store,
    byKey: (key) => stores.get(key),
  });

  const stir = ({ key }: Store): void => {
    for (const subscription of stores.get(key)?.wishes ?? []) stirred.add(subscription);
  };

  const detach = (subscription: Subscription): void => {
    const { store } = subscription;
    subscription.store = undefined;
    store?.wishes.delete(subscription);
    if (store?.wishes.size === 0) stores.delete(store.key);
  };

  const attach = (subscription: Subscription, key: string, resumed = false): Held => {
    const before = subscription.store;
    if (before?.key !== key) detach(subscription);
    // Should a wish lead to another key than before, its old document stays until the snapshot comes; or for good, if the
    // front goes on from it: who read it over HTTP was not told its key.
    const store = stores.get(key) ?? {
      ...makeStore(key, before?.document, resumed ? before?.position : undefined),
      wishes: new Set<Subscription>(),
    };
    stores.set(key, store);
    store.wishes.add(subscription);
    return (subscription.store = store);
  };

  const fail = (subscription: Subscription, error: FluxError): void => {
    subscription.error = error;
    detach(subscription);
    stirred.add(subscription);
  };

  const leave = (subscription: Subscription): void => {
    if (subscription.id === undefined) return;
    byId.delete(subscription.id);
    leaving.push(subscription.id);
    subscription.id = undefined;
  };

  /** §3: a gap, which a front never makes. Subscribe anew, without epoch and version. */
  const anew = (store: Held): void => {
    forget(store);
    for (const subscription of store.wishes) {
      leave(subscription);
      asking.add(subscription);
    }
  };

  const recall = (key: string, subscription: Subscription): void => {
    const before = remembered.get(key)?.kept;
    if (before === undefined || subscription.store !== undefined) return;
    remembered.delete(key);
    const store = attach(subscription, before.key);
    const { document, epoch, version } = before;
    if (store.document === undefined) Object.assign(store, { document, position: { epoch, version } });
    stir(store);
  };

  const subscribed = (frame: Subscribed): void => {
    const subscription = byId.get(frame.id);
    // Given up meanwhile, what follows may be all that another wish with the same key gets.
    const store = subscription === undefined ? stores.get(frame.store) : attach(subscription, frame.store, frame.resumed);
    if (store === undefined) return;
    const fits = begin(store, frame);
    if (subscription === undefined) return;
    subscription.error = undefined;
    if (!fits) anew(store);
    stir(store);
  };

  const unsubscribed = (frame: Unsubscribed): void => {
    const subscription = byId.get(frame.id);
    if (subscription === undefined) return;
    byId.delete(frame.id);
    subscription.id = undefined;
    fail(subscription, new FluxError(frame.error));
  };

  /** Bring a store further; one that does not fit is subscribed anew. */
  const feed = (key: string, step: (store: Store) => boolean | void): void => {
    const store = stores.get(key);
    if (store === undefined) return;
    if (step(store) === false) anew(store);
    stir(store);
  };

  const take = (frame: StoreFrame): void => {
    if (frame.type === 'commit') missing = frame.updates;
    else if (frame.type === 'update') {
      group.push(frame);
      missing = Math.max(0, missing - 1);
      if (missing > 0) return;
      for (const one of group.splice(0)) feed(one.store, (store) => follow(store, one));
    } else if (frame.type === 'snapshot') feed(frame.store, (store) => replace(store, frame));
    else if (frame.type === 'subscribed') subscribed(frame);
    else unsubscribed(frame);
  };

  const hydrate = (before: readonly KeptStore[]): void => {
    for (const one of before) {
      const key = wish(one.name, one.params);
      const { version, document: data } = one;
      remembered.delete(key);
      remembered.set(key, { kept: one, state: { ...PENDING, status: 'stale', data, version } });
      const subscription = wishes.get(key);
      if (subscription !== undefined) recall(key, subscription);
    }
    for (const key of [...remembered.keys()].slice(0, -REMEMBERED)) remembered.delete(key);
  };

  const catchUp = (now: number): void => {
    const [first] = early;
    if (first === undefined) return;
    const patient = now < first.since + PATIENCE_MS;
    if (patient && early.some(({ awaited }) => pending.waits(awaited, now))) return;
    for (const { take } of early.splice(0)) take();
  };

  return {
    pending,
    hydrate,
    catchUp,
    state(name, params) {
      const key = wish(name, params);
      return wishes.get(key)?.state ?? remembered.get(key)?.state ?? PENDING;
    },
    dehydrate() {
      const held = [...wishes.values()].flatMap((subscription) => kept(subscription) ?? []);
      return [...[...remembered.values()].map((one) => one.kept), ...held];
    },
    hold(name, params, listener) {
      const key = wish(name, params);
      let subscription = wishes.get(key);
      if (subscription === undefined) {
        subscription = { name, params, listeners: new Set(), state: PENDING, releaseAt: Infinity };
        wishes.set(key, subscription);
        asking.add(subscription);
        recall(key, subscription);
      }
      subscription.releaseAt = Infinity;
      subscription.listeners.add(listener);
    },
    release(name, params, listener, now) {
      const subscription = wishes.get(wish(name, params));
      if (subscription?.listeners.delete(listener) && subscription.listeners.size === 0) {
        subscription.releaseAt = now + graceMs;
      }
    },
    renew(name, params) {
      const store = wishes.get(wish(name, params))?.store;
      if (store === undefined) return;
      anew(store);
      stir(store);
    },
    deadline(now) {
      const times = [...wishes.values()].map(({ releaseAt }) => releaseAt);
      return Math.min(pending.deadline(now), (early[0]?.since ?? Infinity) + PATIENCE_MS, ...times);
    },
    sweep(now) {
      catchUp(now);
      for (const [key, subscription] of wishes) {
        if (subscription.releaseAt > now) continue;
        const last = kept(subscription);
        wishes.delete(key);
        if (last !== undefined) hydrate([last]);
        asking.delete(subscription);
        leave(subscription);
        detach(subscription);
      }
    },
    lost(now) {
      pending.lost();
      catchUp(now);
      byId.clear();
      leaving.length = 0;
      // §5: half a commit is never shown. Its stores resume from before it.
      group.length = missing = 0;
      for (const store of stores.values()) store.feed = 'nothing';
      for (const subscription of wishes.values()) {
        subscription.id = undefined;
        asking.add(subscription);
        stirred.add(subscription);
      }
    },
    send(maxFrame) {
      const frames: (Unsubscribe | Subscribe)[] = [];
      // Leaving first: to start a key anew, the front must have dropped it.
      while (leaving.length > 0) frames.push({ type: 'unsubscribe', ids: leaving.splice(0, MAX_STORES) });
      let stores: Wanted[] = [];
      let room = 0;
      for (const subscription of asking) {
        const { name, params, store } = subscription;
        const wanted: Wanted = { id: lastId + 1, name, params, ...store?.position };
        const size = sizeOf(JSON.stringify(wanted)) + 1;
        if (size > maxFrame - FRAME) {
          fail(subscription, tooLarge(name, maxFrame));
          continue;
        }
        if (size > room || stores.length === MAX_STORES) {
          room = maxFrame - FRAME;
          frames.push({ type: 'subscribe', stores: (stores = []) });
        }
        room -= size;
        stores.push(wanted);
        lastId = subscription.id = wanted.id;
        byId.set(lastId, subscription);
      }
      asking.clear();
      return frames;
    },
    receive(frame, now) {
      catchUp(now);
      const awaited = pending.expected(now) ?? early.at(-1)?.awaited;
      if (awaited === undefined) take(frame);
      else early.push({ take: () => take(frame), awaited, since: now });
    },
    accept(entry, versions, now) {
      pending.accept(entry);
      early.push({ take: () => pending.settle(entry, versions, now), awaited: entry, since: now });
      catchUp(now);
    },
    tell(now) {
      for (const store of pending.rebase(now)) stir(store);
      const changed = [...stirred].filter(refresh);
      stirred.clear();
      for (const { listeners } of changed) for (const listener of [...listeners]) listener();
      return changed.length > 0;
    },
  };
}

function kept({ name, params, store }: Subscription): KeptStore | undefined {
  if (store?.position === undefined || store.document === undefined) return undefined;
  const { key, position, document } = store;
  return { name, params, key, ...position, document };
}

function wish(name: string, params: JsonObject): string {
  return `${name}${canonical(params)}`;
}
