/**
 * Actions and documents that outlive the page.
 *
 * Each page keeps its actions under a *session* of its own, whose name it locks as long as it lives (Web Locks). The
 * actions of a session that nobody locks belong to whoever locks it next: a page takes over what earlier ones left
 * when it opens, and what its neighbours leave when they end.
 *
 * An action is kept with its client id and number, which never change hands: a page that takes it over can only send
 * it again as it was. So exactly-once does not depend on the locks. Where there are none, two pages may take over the
 * same action, and the database still applies it once.
 */
import { randomId } from './id.ts';
import { isObject } from './json.ts';
import type { KeptAction, NumberedAction } from './outbox.ts';
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
  /** Something could not be read or written. The client works on without. */
  onError?: (error: unknown) => void;
}

/** Keep an actor's actions and documents on this device: `createClient({ persistence: persist({ actor }) })`. */
export function persist(options: PersistOptions): Persistence {
  return new DevicePersistence(options);
}

class DevicePersistence implements Persistence {
  readonly actor: string;
  readonly #storage: DeviceStorage;
  readonly #locks: Pick<LockManager, 'request'> | undefined;
  readonly #maxSize: number;
  readonly #onError: (error: unknown) => void;
  readonly #root: string;
  readonly #session = randomId();
  /** Sessions that this page may write to: by action, since it may be one that was taken over. */
  readonly #sessionOf = new Map<string, string>();
  /** Documents as they are kept, by key, with their sizes: the least recently changed first. */
  readonly #documents = new Map<string, { document: unknown; size: number }>();
  readonly #closing = new AbortController();
  /** The client, from when it has all that was kept before until it ends. */
  #page: Page | undefined;
  #keeping: ReturnType<typeof setTimeout> | undefined;
  #changes = new Map<string, unknown>();
  #writing: Promise<void> | undefined;
  /** Ends the locks of this page. */
  #release: () => void = () => undefined;
  readonly #released: Promise<void>;

  constructor({ actor, storage, locks, maxSize = 5_000_000, onError = () => undefined }: PersistOptions) {
    this.actor = actor;
    this.#storage = storage ?? indexedDbStorage();
    this.#locks = locks ?? globalThis.navigator?.locks;
    this.#maxSize = maxSize;
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
    await this.#lock(this.#session, true);
    const kept = await this.#storage.list(this.#root);
    hydrate(kept.flatMap(([key, value]) => this.#document(key, value) ?? []));
    const sessions = new Set(kept.flatMap(([key]) => this.#sessionIn(key) ?? []));
    const actions: KeptAction[] = [];
    for (const session of sessions) {
      if (await this.#lock(session, true)) actions.push(...(await this.#take(session)));
      // It has a living page; one day it will be gone.
      else void this.#lock(session, false).then(async (mine) => mine && adopt(await this.#take(session)));
    }
    adopt(actions);
  }

  get writing(): Promise<void> | undefined {
    return this.#writing;
  }

  keep(action: KeptAction): void {
    const session = this.#sessionOf.get(action.id) ?? this.#session;
    this.#sessionOf.set(action.id, session);
    this.#write(this.#actionKey(session, action.id), action);
  }

  forget(id: string): void {
    const session = this.#sessionOf.get(id);
    if (session === undefined) return;
    this.#sessionOf.delete(id);
    this.#write(this.#actionKey(session, id), undefined);
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
    this.#closing.abort();
    this.#release();
  }

  async wipe(): Promise<void> {
    this.#page = undefined;
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
   * @param now - Whether to give up at once if another page has it.
   * @returns Whether it is locked; true as well where there are no locks.
   */
  #lock(session: string, now: boolean): Promise<boolean> {
    if (this.#locks === undefined) return Promise.resolve(now);
    const options = now ? { ifAvailable: true } : { signal: this.#closing.signal };
    return new Promise((resolve) => {
      const held = async (lock: Lock | null): Promise<void> => {
        resolve(lock !== null);
        if (lock !== null) await this.#released;
      };
      // Waiting ends with the page.
      this.#locks?.request(`fluxwire/${this.#root}${session}`, options, held).catch(() => resolve(false));
    });
  }

  /** What a session holds now: its page may have gone on since it was listed. */
  async #take(session: string): Promise<KeptAction[]> {
    const kept = await this.#storage.list(this.#actionKey(session, ''));
    const actions = kept.flatMap(([, value]) => (isKeptAction(value) ? [value] : []));
    for (const { id } of actions) this.#sessionOf.set(id, session);
    return actions;
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

function isKeptAction(value: unknown): value is KeptAction {
  if (!isObject(value)) return false;
  const { id, client, number, name, params, at } = value;
  const texts = [id, client, name].every((text) => typeof text === 'string');
  return texts && Number.isSafeInteger(number) && isObject(params) && typeof at === 'number';
}

function isKeptStore(value: unknown): value is KeptStore {
  if (!isObject(value)) return false;
  const { name, params, key, epoch, version, document } = value;
  const texts = [name, key, epoch].every((text) => typeof text === 'string');
  return texts && isObject(params) && Number.isSafeInteger(version) && document !== undefined;
}
