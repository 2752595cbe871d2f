/**
 * One store as this client holds it: the document of one store key and how it is fed.
 *
 * Pure state; subscriptions.ts feeds it and tells those who listen.
 */
import { applyPatch } from './patch.ts';
import type { Snapshot, Subscribed, Update } from './frames.ts';
import type { Json } from './json.ts';

/** Where a document stands: what a subscription names to resume (§3). */
export interface Position {
  readonly epoch: string;
  readonly version: number;
}

/** Made by {@link makeStore}, changed by the functions below. */
export interface Store {
  /** The store key, as the front names it. */
  readonly key: string;
  /** What the front says; `undefined` until there is anything to show. */
  document: Json | undefined;
  /** The document as pending actions will probably leave it; `undefined` if none predicts anything. */
  predicted?: Json | undefined;
  /** Where the document stands; `undefined` if nothing can continue from it. */
  position: Position | undefined;
  /** What the connection brings: nothing, first a snapshot, or the chain of updates. */
  feed: 'nothing' | 'snapshot' | 'chain';
  /** The version that a resume has to reach. */
  target: number;
}

/**
 * @param document - What to show until the first snapshot.
 * @param position - Where it stands, if that is known.
 */
export function makeStore(key: string, document?: Json, position?: Position): Store {
  return { key, document, position, feed: 'nothing', target: 0 };
}

/** True while the document is as new as the front's. */
export function isLive({ feed, position, target }: Store): boolean {
  return feed === 'chain' && position !== undefined && position.version >= target;
}

/**
 * A subscription was accepted.
 *
 * @returns False if its feed continues from something that is not held: subscribe anew.
 */
export function begin(store: Store, { resumed, epoch, version }: Subscribed): boolean {
  if (!resumed) store.feed = 'snapshot';
  // §3: where the connection held the key already, nothing follows.
  else if (store.feed === 'nothing') {
    if (store.position?.epoch !== epoch) return false;
    store.feed = 'chain';
    store.target = version;
  }
  return true;
}

/** Start from here, whatever was held before (§3). */
export function replace(store: Store, { document, epoch, version }: Snapshot): void {
  if (store.feed === 'nothing') return;
  Object.assign(store, { document, position: { epoch, version }, target: version, feed: 'chain' });
}

/**
 * Continue the chain by one link (§3).
 *
 * @returns False if it does not fit: subscribe anew.
 */
export function follow(store: Store, { epoch, from, to, patch }: Update): boolean {
  const { feed, position } = store;
  if (feed !== 'chain') return true;
  if (position?.epoch !== epoch) return false;
  if (to <= position.version) return true;
  if (from !== position.version) return false;
  try {
    store.document = applyPatch(store.document as Json, patch);
  } catch {
    // A patch that does not fit means that the documents have parted: heal as from a gap.
    return false;
  }
  store.position = { epoch, version: to };
  return true;
}

/** Resume from nothing; the document stays to be shown until a snapshot comes. */
export function forget(store: Store): void {
  store.feed = 'nothing';
  store.position = undefined;
}
