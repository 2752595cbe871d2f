/** Where things are kept on a device: texts and documents by key. */

/** A value that survives structured cloning. */
export type Stored = unknown;

/** A small key-value storage. Another one than IndexedDB may be given to `persist`. */
export interface DeviceStorage {
  /** Everything whose key begins with a prefix. */
  list(prefix: string): Promise<[key: string, value: Stored][]>;
  /** Write and remove (`undefined`) all of these, or none. */
  write(changes: ReadonlyMap<string, Stored | undefined>): Promise<void>;
}

const TABLE = 'kept';

/**
 * IndexedDB, as a storage.
 *
 * @param name - The database's name; one for each application of an origin.
 */
export function indexedDbStorage(name = 'fluxwire'): DeviceStorage {
  let opened: Promise<IDBDatabase> | undefined;
  const open = (): Promise<IDBDatabase> => {
    opened ??= new Promise((resolve, reject) => {
      const request = indexedDB.open(name, 1);
      // What is broken or gone now may be there the next time.
      const again = (): void => {
        opened = undefined;
      };
      request.onupgradeneeded = () => request.result.createObjectStore(TABLE);
      request.onsuccess = () => {
        const database = request.result;
        // Someone else deletes or upgrades it: do not stand in the way.
        database.onversionchange = () => {
          database.close();
          again();
        };
        database.onclose = again;
        resolve(database);
      };
      request.onerror = () => {
        again();
        reject(request.error);
      };
    });
    return opened;
  };
  return {
    async list(prefix) {
      const table = (await open()).transaction(TABLE).objectStore(TABLE);
      const range = IDBKeyRange.bound(prefix, `${prefix}\uffff`);
      const [keys, values] = [table.getAllKeys(range), table.getAll(range)];
      await done(table.transaction);
      return keys.result.map((key, index) => [String(key), values.result[index] as Stored]);
    },
    async write(changes) {
      const transaction = (await open()).transaction(TABLE, 'readwrite');
      const table = transaction.objectStore(TABLE);
      for (const [key, value] of changes) {
        if (value === undefined) table.delete(key);
        else table.put(value, key);
      }
      // Not left to the next turn: the page may end before that.
      transaction.commit();
      await done(transaction);
    },
  };
}

function done(transaction: IDBTransaction): Promise<void> {
  return new Promise((resolve, reject) => {
    transaction.oncomplete = () => resolve();
    transaction.onabort = () => reject(transaction.error);
  });
}

/** A storage that lasts as long as the program: for tests. */
export function memoryStorage(): DeviceStorage {
  const kept = new Map<string, Stored>();
  return {
    list: async (prefix) => structuredClone([...kept].filter(([key]) => key.startsWith(prefix))),
    write: async (changes) => {
      for (const [key, value] of structuredClone(changes)) {
        if (value === undefined) kept.delete(key);
        else kept.set(key, value);
      }
    },
  };
}
