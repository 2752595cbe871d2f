/**
 * Actions on their way, and what they are predicted to do to the stores.
 *
 * A document as it is shown is the server's with every pending prediction run over it, in the order in which the
 * actions were brought; they run anew whenever one of the documents below them changes (*rebase*). A prediction ends
 * where the stores have reached the versions that the outcome names (§4), in the same moment in which they do.
 *
 * Pure: stores are looked up by the functions given, time comes in as an argument.
 */
import type { Json, JsonObject } from './json.ts';
import { applyPatch } from './patch.ts';
import type { Operation } from './patch.ts';
import type { StoreRef } from './refs.ts';
import { isLive } from './store.ts';
import type { Store } from './store.ts';

/**
 * How long updates wait for the outcome of an action that is under way, in milliseconds.
 *
 * They may be what it led to: shown before its outcome is known, they would stand beside its prediction.
 */
export const PATIENCE_MS = 250;

/**
 * How long a prediction waits for the versions that its outcome names, in milliseconds, while all stores are live.
 *
 * They may never come: an outcome may be of an epoch that has ended since.
 */
export const SETTLE_MS = 5_000;

/** How far an action has come: not committed yet, or committed and not yet seen in all stores that it changed. */
export type Stage = 'local' | 'accepted';

/** An action on its way. */
export interface PendingAction {
  /** Its own, also across a reload. Good as the key of what a prediction adds. */
  readonly id: string;
  readonly name: string;
  readonly params: JsonObject;
  /** When it was brought, in milliseconds since 1970. */
  readonly at: number;
  readonly stage: Stage;
}

/** The stores as a prediction sees them: with all predictions before it. */
export interface PredictedStores {
  /** A document; `undefined` if this client does not hold it. */
  get<Document>(ref: StoreRef<Document>): Document | undefined;
  /** Show another document. `change` leaves the one that it is given as it is, and is not called if there is none. */
  update<Document>(ref: StoreRef<Document>, change: (document: Document) => Document): void;
  /** The same by operations, which cost no copy of a part however many members it has. */
  patch<Document>(ref: StoreRef<Document>, operations: readonly Operation[]): void;
}

/**
 * What an action will probably do. Runs again on every change of what lies below, so that it must depend on nothing
 * but its arguments. If it throws, it is skipped until the next time.
 */
export type Prediction<Params = JsonObject> = (
  stores: PredictedStores,
  params: Params,
  action: Pick<PendingAction, 'id' | 'at'>,
) => void;

/** One action on its way. */
export interface Entry {
  action: PendingAction;
  readonly predict: Prediction | undefined;
  /** Called once every store shows what it did. */
  readonly settled: (() => void) | undefined;
  /** When it was last sent, in milliseconds of the client's clock. */
  sentAt?: number | undefined;
  /** The stores that its prediction changed when it last ran. */
  changed: Set<Store>;
  /** When its outcome came. */
  acceptedAt: number;
  /** What is missing since then: stores, and whether they have reached what it led to. */
  needs?: Map<Store, () => boolean>;
}

/** How stores are found: by what an application calls them, and by store key. */
export interface Lookup {
  find(name: string, params: JsonObject): Store | undefined;
  byKey(key: string): Store | undefined;
}

/** The actions on their way; made by {@link makePending}. */
export interface Pending {
  /** Every action that is not settled yet, in the order in which they were brought. */
  readonly actions: readonly PendingAction[];
  add(action: PendingAction, predict: Prediction | undefined, settled: (() => void) | undefined): Entry;
  /** Refused, or given up: as if it had never been predicted. */
  drop(entry: Entry): void;
  /** Committed; updates wait for it no longer. */
  accept(entry: Entry): void;
  /**
   * Let it end where the stores have reached what it led to.
   *
   * @param versions - Of stores by their keys, as the outcome names them (§4). All frames before it are in place: an
   *     epoch may have changed by them.
   */
  settle(entry: Entry, versions: JsonObject, now: number): void;
  /** The newest action whose outcome may come any moment, if its prediction shows: updates had better wait for it. */
  expected(now: number): Entry | undefined;
  /** Whether an outcome is still to be waited for. */
  waits(entry: Entry, now: number): boolean;
  /** When a {@link rebase} is due although nothing has come; `Infinity` if it is not. */
  deadline(now: number): number;
  /** No outcome comes on a connection that is lost. */
  lost(): void;
  /**
   * Run the predictions over the documents as they are now.
   *
   * @returns The stores that show something else than before.
   */
  rebase(now: number): Store[];
}

/** No action yet. */
export function makePending(lookup: Lookup): Pending {
  let entries: Entry[] = [];
  /** The same list as long as nothing of it has changed. */
  let actions: readonly PendingAction[] = [];
  /** The documents as they are predicted. */
  let shown = new Map<Store, Json>();
  /** What the last run looked at: references, and the documents below that they led to. */
  let seen: { name: string; params: JsonObject; document: Json | undefined }[] = [];
  /** True if entries came or went since the last run. */
  let stirred = false;

  const list = (): void => {
    actions = entries.map(({ action }) => action);
    stirred = true;
  };

  /** Take note of what the stores have reached. */
  const end = (now: number): void => {
    const settled: Entry[] = [];
    for (const entry of entries) {
      if (entry.needs === undefined) continue;
      for (const [store, reached] of entry.needs) {
        const late = now >= entry.acceptedAt + SETTLE_MS && isLive(store);
        // Given up meanwhile, nobody sees it.
        if (!late && !reached() && lookup.byKey(store.key) === store) continue;
        entry.needs.delete(store);
        stirred = true;
      }
      if (entry.needs.size === 0) settled.push(entry);
    }
    if (settled.length === 0) return;
    entries = entries.filter((entry) => !settled.includes(entry));
    list();
    for (const entry of settled) entry.settled?.();
  };

  const run = (entry: Entry): void => {
    if (entry.predict === undefined) return;
    // What it changes counts only if it comes to its end.
    const drafts = new Map(shown);
    const changed = new Set<Store>();
    const get = (ref: StoreRef<unknown>): Json | undefined => {
      const { name, params } = ref;
      const store = lookup.find(name, params);
      seen.push({ name, params, document: store?.document });
      return store && (drafts.get(store) ?? store.document);
    };
    const update = (ref: StoreRef<unknown>, change: (document: Json) => Json): void => {
      const document = get(ref);
      const store = lookup.find(ref.name, ref.params);
      if (document === undefined || store === undefined) return;
      if (entry.needs === undefined || entry.needs.has(store)) drafts.set(store, change(document));
      changed.add(store);
    };
    const patch = (ref: StoreRef<unknown>, operations: readonly Operation[]): void =>
      update(ref, (document) => applyPatch(document, operations));
    const { id, at, params } = entry.action;
    try {
      entry.predict({ get, update, patch } as unknown as PredictedStores, params, { id, at });
      shown = drafts;
      entry.changed = changed;
    } catch {
      // It does not fit what is there now: not shown, until it fits again.
    }
  };

  const waits = ({ action, sentAt }: Entry, now: number): boolean => {
    return action.stage === 'local' && sentAt !== undefined && now < sentAt + PATIENCE_MS;
  };

  return {
    get actions() {
      return actions;
    },
    waits,
    add(action, predict, settled) {
      const entry = { action, predict, settled, changed: new Set<Store>(), acceptedAt: 0 };
      entries.push(entry);
      list();
      return entry;
    },
    drop(entry) {
      entry.sentAt = undefined;
      entries = entries.filter((one) => one !== entry);
      list();
    },
    accept(entry) {
      entry.action = { ...entry.action, stage: 'accepted' };
      list();
    },
    settle(entry, versions, now) {
      entry.acceptedAt = now;
      const needs = new Map<Store, () => boolean>();
      // A resume under way may bring what the front could not name: it did not count this store as held yet.
      for (const store of entry.changed) if (!isLive(store)) needs.set(store, () => isLive(store));
      for (const [key, version] of Object.entries(versions)) {
        const store = lookup.byKey(key);
        const epoch = store?.position?.epoch;
        if (store === undefined) continue;
        needs.set(store, () => {
          const { position } = store;
          return position !== undefined && (position.epoch !== epoch || position.version >= (version as number));
        });
      }
      entry.needs = needs;
      stirred = true;
    },
    expected(now) {
      return entries.filter((entry) => entry.changed.size > 0 && waits(entry, now)).at(-1);
    },
    deadline(now) {
      const times = entries.flatMap(({ needs, acceptedAt }) => (needs === undefined ? [] : acceptedAt + SETTLE_MS));
      return times.find((time) => time > now) ?? Infinity;
    },
    lost() {
      for (const entry of entries) entry.sentAt = undefined;
    },
    rebase(now) {
      if (entries.length === 0 && !stirred) return [];
      end(now);
      const moved = seen.some(({ name, params, document }) => lookup.find(name, params)?.document !== document);
      if (!moved && !stirred) return [];
      stirred = false;
      seen = [];
      const before = shown;
      shown = new Map();
      for (const entry of entries) run(entry);
      for (const store of before.keys()) store.predicted = undefined;
      for (const [store, document] of shown) store.predicted = document;
      return [...new Set([...before.keys(), ...shown.keys()])];
    },
  };
}
