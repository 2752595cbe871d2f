/** One wish for a store: a name and parameters, held by any number of listeners. */
import type { FluxError } from './errors.ts';
import type { Json, JsonObject } from './json.ts';
import { isLive } from './store.ts';
import type { Store } from './store.ts';

/**
 * - `pending`: nothing to show yet
 * - `live`: as new as the front's
 * - `stale`: shown from before, while the connection or a resume is under way
 * - `error`: the front refused, or took the right to read away
 */
export type StoreStatus = 'pending' | 'live' | 'stale' | 'error';

/** A store as it can be shown. The same object as long as nothing of it has changed. */
export interface StoreState<Document = Json> {
  readonly status: StoreStatus;
  readonly data: Document | undefined;
  readonly version: number | undefined;
  readonly error: FluxError | undefined;
}

/** A store that nobody has asked for yet. */
export const PENDING: StoreState<never> = { status: 'pending', data: undefined, version: undefined, error: undefined };

/** A store and the wishes for it: several may turn out to have one store key. */
export interface Held extends Store {
  readonly wishes: Set<Subscription>;
}

/** One name with parameters, and who listens. */
export interface Subscription {
  readonly name: string;
  readonly params: JsonObject;
  readonly listeners: Set<() => void>;
  /** What can be shown now. */
  state: StoreState;
  /** The id on this connection, from when it is sent. */
  id?: number | undefined;
  /** The store, once the front has said which it is. */
  store?: Held | undefined;
  error?: FluxError | undefined;
  /** When it is given up, once nobody listens; in milliseconds, `Infinity` before. */
  releaseAt: number;
}

/**
 * Look at the store again.
 *
 * @returns True if there is something new to show.
 */
export function refresh(subscription: Subscription): boolean {
  const { status, data, version, error } = subscription.state;
  const next = look(subscription);
  if (next.status === status && next.data === data && next.version === version && next.error === error) return false;
  subscription.state = next;
  return true;
}

function look({ error, store }: Subscription): StoreState {
  if (error !== undefined) return { ...PENDING, status: 'error', error };
  if (store?.document === undefined) return PENDING;
  const { document, predicted: data = document, position } = store;
  return { status: isLive(store) ? 'live' : 'stale', data, version: position?.version, error };
}
