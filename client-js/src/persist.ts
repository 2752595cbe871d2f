/**
 * Actions and documents that outlive the page.
 *
 * Each page keeps its actions under a *session* of its own, whose name it locks as long as it lives (Web Locks). The
 * actions of a session that nobody locks belong to whoever locks it next: a page takes over what earlier ones left
 * when it opens, and what its neighbours leave when they end. Of a neighbour that had nothing when this page opened it
 * hears when that keeps something (BroadcastChannel).
 *
 * An action is kept with its client id and number, which never change hands: a page that takes it over can only send
 * it again as it was. So exactly-once does not depend on the locks. Where there are none, two pages may take over the
 * same action, and the database still applies it once.
 */
import type { Observable } from './client.ts';
import type { FluxError } from './errors.ts';
import { randomId } from './id.ts';
import { isObject } from './json.ts';
import type { JsonObject } from './json.ts';
import type { Brought, KeptAction, NumberedAction } from './outbox.ts';
import type { Page, Persistence } from './persistence.ts';
import { indexedDbStorage } from './storage.ts';
import type { DeviceStorage } from './storage.ts';
import type { KeptStore } from './subscriptions.ts';

export type { DeviceStorage } from './storage.ts';
export { indexedDbStorage, memoryStorage } from './storage.ts';

export interface PersistOptions {
  /** Whose actions and documents they are: the subject of the token. Nobody else gets to see them. */
  actor: string;
  /** Where they are kept; IndexedDB unless given. */
  storage?: DeviceStorage;
  /** Locks between the tabs of a browser; the platform's unless given. */
  locks?: Pick<LockManager, 'request'>;
  /** The most that documents may take, in characters of JSON; the least recently changed are left out. */
  maxSize?: number;
  /** Actions that are kept when they are refused, until somebody dismisses them: `[actions.post_message]`. */
  keepFailed?: readonly { readonly name: string }[];
  /** Something could not be read or written. The client works on without. */
  onError?: (error: unknown) => void;
}

/** An action that was refused, and why. Nothing sends it again: dismiss it and dispatch another one. */
export interface FailedAction extends Brought {
  readonly error: Pick<FluxError, 'code' | 'message'>;
}

/** What {@link persist} gives: for a client, and for those who show what has failed. */
export interface DevicePersistence extends Persistence {
  /** The actions of {@link PersistOptions.keepFailed} that were refused, also before a reload; the oldest first. */
  readonly failed: Observable<readonly FailedAction[]>;
  /** Keep a failed action no longer. */
  dismiss(id: string): void;
}

/** Keep an actor's actions and documents on this device: `createClient({ persistence: persist({ actor }) })`. */
export function persist(options: PersistOptions): DevicePersistence {
  return new Device(options);
}

/** Failed actions kept at most; the oldest go first. */
const MOST_FAILED = 100;

class Device implements DevicePersistence {
  readonly actor: string;
  readonly #storage: DeviceStorage;
  readonly #locks: Pick<LockManager, 'request'> | undefined;
  readonly #maxSize: number;
  readonly #onError: (error: unknown) => void;
  readonly #root: string;
  readonly #session = randomId();
  /** What this page has to answer for, with the session it is kept in: that may be one that was taken over. */
  readonly #kept = new Map<string, { session: string; action: KeptAction }>();
  readonly #keepFailed: ReadonlySet<string>;
  readonly #listeners = new Set<() => void>();
  #failed: readonly FailedAction[] = [];
  /** Documents as they are kept, by key, with their sizes: the least recently changed first. */
  readonly #documents = new Map<string, { document: unknown; size: number }>();
  readonly #closing = new AbortController();
  /** Where pages say under which session they keep actions. */
  #channel: BroadcastChannel | undefined;
  /** The client, from when it has all that was kept before until it ends. */
  #page: Page | undefined;
  #keeping: ReturnType<typeof setTimeout> | undefined;
  #changes = new Map<string, unknown>();
  #writing: Promise<void> | undefined;
  /** Ends the locks of this page. */
  #release: () => void = () => undefined;
  readonly #released: Promise<void>;

  constructor(options: PersistOptions) {
    const { actor, storage, locks, maxSize = 5_000_000, keepFailed = [], onError = () => undefined } = options;
    this.actor = actor;
    this.#storage = storage ?? indexedDbStorage();
    this.#locks = locks ?? globalThis.navigator?.locks;
    this.#maxSize = maxSize;
    this.#keepFailed = new Set(keepFailed.map(({ name }) => name));
    this.#onError = onError;
    // As JSON it ends with a quote: no actor's root is the beginning of another's.
    this.#root = `${JSON.stringify(actor)}/`;
    this.#released = new Promise((resolve) => {
      this.#release = resolve;
    });
  }

  async open(page: Page): Promise<void> {
    const loading = this.#load(page);
    try {
      await inTime(loading);
    } catch (error) {
      this.#onError(error);
      // Better late than never: what it brings is still welcome.
      loading.catch(() => undefined);
    }
    this.#page = page;
  }

  async #load({ adopt: adoptOf, hydrate }: Page): Promise<void> {
    const adopt = (actions: readonly KeptAction[]): void => {
      const clients = new Map<string, NumberedAction[]>();
      for (const { client, ...action } of [...actions].sort((a, b) => a.number - b.number)) {
        const own = clients.get(client) ?? [];
        own.push(action);
        clients.set(client, own);
      }
      for (const [client, own] of clients) adoptOf(client, own);
    };
    const known = new Set<string>();
    /** Take over a session once it is locked. */
    const inherit = (session: string, locked: Promise<boolean>): void => {
      const taking = locked.then(async (mine) => mine && adopt(await this.#take(session)));
      taking.catch(this.#onError);
    };
    const hear = async (session: string): Promise<void> => {
      // It may be in a storage that another application of this origin has, and is for that one to lock.
      if (known.has(session) || (await this.#list(session)).length === 0 || known.has(session)) return;
      known.add(session);
      inherit(session, this.#lock(session));
    };
    // Before the storage is listed: what is kept after that is heard of.
    if (this.#locks !== undefined && globalThis.BroadcastChannel !== undefined) {
      this.#channel = new BroadcastChannel(this.#nameOf(''));
      this.#channel.onmessage = ({ data }: MessageEvent<string>) => void hear(data).catch(this.#onError);
    }
    await this.#lock(this.#session);
    const kept = await this.#storage.list(this.#root);
    hydrate(kept.flatMap(([key, value]) => this.#document(key, value) ?? []));
    this.#fail(kept.flatMap(([key, value]) => (isFailed(value) && key === this.#failedKey(value.id) ? [value] : [])));
    const sessions = new Set(kept.flatMap(([key]) => this.#sessionIn(key) ?? []).filter((session) => !known.has(session)));
    for (const session of sessions) known.add(session);
    const late = new Promise<false>((resolve) => setTimeout(resolve, NEIGHBOUR_MS, false));
    const found = [...sessions].map(async (session) => {
      const locked = this.#lock(session);
      if (await Promise.race([locked, late])) return this.#take(session);
      // It has a living page; one day it will be gone.
      inherit(session, locked);
      return [];
    });
    const actions = (await Promise.all(found)).flat();
    adopt(actions);
  }

  get writing(): Promise<void> | undefined {
    return this.#writing;
  }

  keep(action: KeptAction): void {
    const session = this.#kept.get(action.id)?.session ?? this.#session;
    this.#kept.set(action.id, { session, action });
    this.#write(this.#actionKey(session, action.id), action);
  }

  forget(id: string, error?: FluxError): void {
    const kept = this.#kept.get(id);
    if (kept === undefined) return;
    this.#kept.delete(id);
    this.#write(this.#actionKey(kept.session, id), undefined);
    if (error === undefined || !this.#keepFailed.has(kept.action.name)) return;
    const { name, params, at } = kept.action;
    const { code, message } = error;
    const failed = { id, name, params, at, error: { code, message } };
    // Both in one write: after a crash it is either on its way or failed.
    this.#write(this.#failedKey(id), failed);
    this.#fail([failed]);
  }

  readonly failed: Observable<readonly FailedAction[]> = {
    get: () => this.#failed,
    subscribe: (listener) => {
      this.#listeners.add(listener);
      return () => this.#listeners.delete(listener);
    },
  };

  dismiss(id: string): void {
    this.#write(this.#failedKey(id), undefined);
    this.#show(this.#failed.filter((one) => one.id !== id));
  }

  changed(last = false): void {
    if (last) this.#keepStores();
    else this.#keeping ??= setTimeout(this.#keepStores, KEEP_MS);
  }

  /** Keep the documents as they are now. */
  readonly #keepStores = (): void => {
    clearTimeout(this.#keeping);
    this.#keeping = undefined;
    if (this.#page === undefined) return;
    const gone = new Set(this.#documents.keys());
    for (const store of this.#page.dehydrate()) {
      const key = `${this.#root}store/${store.key}/${JSON.stringify([store.name, store.params])}`;
      gone.delete(key);
      if (this.#documents.get(key)?.document === store.document) continue;
      const size = JSON.stringify(store.document).length;
      this.#documents.delete(key);
      if (size > this.#maxSize) gone.add(key);
      else {
        this.#documents.set(key, { document: store.document, size });
        this.#write(key, store);
      }
    }
    let total = 0;
    for (const [key, { size }] of [...this.#documents].reverse()) {
      total += size;
      if (total > this.#maxSize) gone.add(key);
    }
    for (const key of gone) {
      this.#documents.delete(key);
      this.#write(key, undefined);
    }
  };

  close(): void {
    clearTimeout(this.#keeping);
    this.#page = undefined;
    this.#channel?.close();
    this.#channel = undefined;
    this.#closing.abort();
    this.#release();
  }

  async wipe(): Promise<void> {
    this.#page = undefined;
    this.#show([]);
    try {
      await this.#writing;
      const kept = await this.#storage.list(this.#root);
      await this.#storage.write(new Map(kept.map(([key]) => [key, undefined])));
    } catch (error) {
      this.#onError(error);
    }
  }

  /**
   * Lock a session until this page ends.
   *
   * @returns Settles once it is locked, with true; with false if this page ends before. Where there are no locks all
   *     sessions are everybody's.
   */
  #lock(session: string): Promise<boolean> {
    if (this.#locks === undefined) return Promise.resolve(true);
    const { signal } = this.#closing;
    return new Promise((resolve) => {
      const held = async (): Promise<void> => {
        resolve(true);
        await this.#released;
      };
      this.#locks?.request(this.#nameOf(session), { signal }, held).catch(() => resolve(false));
    });
  }

  /** What a session holds now: its page may have gone on since it was listed. */
  async #take(session: string): Promise<KeptAction[]> {
    const kept = await this.#list(session);
    const actions = kept.flatMap(([, value]) => (isKeptAction(value) ? [value] : []));
    for (const action of actions) this.#kept.set(action.id, { session, action });
    return actions;
  }

  #list(session: string): ReturnType<DeviceStorage['list']> {
    return this.#storage.list(this.#actionKey(session, ''));
  }

  /** More that has failed, in the order in which it was brought. */
  #fail(more: readonly FailedAction[]): void {
    if (more.length === 0) return;
    const all = [...this.#failed, ...more].sort((a, b) => a.at - b.at);
    for (const { id } of all.slice(0, -MOST_FAILED)) this.#write(this.#failedKey(id), undefined);
    this.#show(all.slice(-MOST_FAILED));
  }

  #show(failed: readonly FailedAction[]): void {
    this.#failed = failed;
    for (const listener of [...this.#listeners]) listener();
  }

  /** Of a session's lock; of none, of the channel between an actor's pages. */
  #nameOf(session: string): string {
    return `fluxwire/${this.#root}${session}`;
  }

  #failedKey(id: string): string {
    return `${this.#root}failed/${id}`;
  }

  #actionKey(session: string, id: string): string {
    return `${this.#root}action/${session}/${id}`;
  }

  #sessionIn(key: string): string | undefined {
    const [kind, session] = key.slice(this.#root.length).split('/');
    return kind === 'action' ? session : undefined;
  }

  #document(key: string, value: unknown): KeptStore | undefined {
    if (!key.startsWith(`${this.#root}store/`) || !isKeptStore(value)) return undefined;
    this.#documents.set(key, { document: value.document, size: JSON.stringify(value.document).length });
    return value;
  }

  /** Write soon, together with whatever else changes until then. */
  #write(key: string, value: unknown): void {
    this.#changes.set(key, value);
    this.#writing ??= this.#flush();
  }

  async #flush(): Promise<void> {
    // Whatever one turn changes is written at once.
    await Promise.resolve();
    while (this.#changes.size > 0) {
      const changes = this.#changes;
      this.#changes = new Map();
      try {
        await inTime(this.#storage.write(changes));
        // After it is there, so that whoever opens meanwhile finds it or hears of it.
        const own = this.#actionKey(this.#session, '');
        if ([...changes].some(([key, value]) => value !== undefined && key.startsWith(own))) {
          this.#channel?.postMessage(this.#session);
        }
      } catch (error) {
        this.#onError(error);
        this.#spare(changes);
      }
    }
    this.#writing = undefined;
  }

  /**
   * These changes could not be written. Actions are worth more than documents: try those alone.
   *
   * Where that fails too they are gone with the page. What is kept stays good, whatever is sent meanwhile.
   */
  #spare(changes: ReadonlyMap<string, unknown>): void {
    const documents = [...changes.keys()].filter((key) => key.startsWith(`${this.#root}store/`));
    if (documents.length === 0) return;
    for (const key of documents) this.#documents.delete(key);
    for (const [key, value] of changes) if (!documents.includes(key) && !this.#changes.has(key)) this.#changes.set(key, value);
  }
}

/** How long a page that has just been left may keep its lock, in milliseconds; then it is another one's that lives. */
export const NEIGHBOUR_MS = 300;

/** How long changed documents wait to be kept, in milliseconds: many changes make one write. */
const KEEP_MS = 1_000;

/** A storage that does not answer must not keep a client from its work. */
const PATIENCE_MS = 3_000;

function inTime<Value>(work: Promise<Value>): Promise<Value> {
  let timer: ReturnType<typeof setTimeout>;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error('The storage does not answer.')), PATIENCE_MS);
  });
  return Promise.race([work, late]).finally(() => clearTimeout(timer));
}

function isBrought(value: unknown): value is Brought & JsonObject {
  if (!isObject(value)) return false;
  const { id, name, params, at } = value;
  return typeof id === 'string' && typeof name === 'string' && isObject(params) && typeof at === 'number';
}

function isKeptAction(value: unknown): value is KeptAction {
  return isBrought(value) && typeof value['client'] === 'string' && Number.isSafeInteger(value['number']);
}

function isFailed(value: unknown): value is FailedAction {
  if (!isBrought(value) || !isObject(value['error'])) return false;
  const { code, message } = value['error'];
  return typeof code === 'string' && typeof message === 'string';
}

function isKeptStore(value: unknown): value is KeptStore {
  if (!isObject(value)) return false;
  const { name, params, key, epoch, version, document } = value;
  const texts = [name, key, epoch].every((text) => typeof text === 'string');
  return texts && isObject(params) && Number.isSafeInteger(version) && document !== undefined;
}
