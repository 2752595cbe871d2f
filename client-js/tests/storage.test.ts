import { afterEach, expect, test, vi } from 'vitest';
import { indexedDbStorage } from '../src/storage.ts';

afterEach(() => vi.unstubAllGlobals());

/** A request that succeeds or fails a moment later. */
function request(result: object | undefined): object {
  const asked: Record<string, unknown> = { result, error: new DOMException('broken') };
  queueMicrotask(() => (asked[result === undefined ? 'onerror' : 'onsuccess'] as () => void)());
  return asked;
}

/** A database without anything in it. */
function database(): Record<string, unknown> {
  const transaction: Record<string, unknown> = {};
  const objectStore = () => ({ getAllKeys: () => ({ result: [] }), getAll: () => ({ result: [] }), transaction });
  Object.assign(transaction, { objectStore });
  return {
    close: vi.fn(),
    transaction: () => {
      queueMicrotask(() => queueMicrotask(() => (transaction['oncomplete'] as () => void)()));
      return transaction;
    },
  };
}

test('a database that is broken is told, and opened anew the next time; so is one that was deleted', async () => {
  const whole = [database(), database()];
  const results = [undefined, ...whole];
  const open = vi.fn(() => request(results.shift()));
  vi.stubGlobal('indexedDB', { open });
  vi.stubGlobal('IDBKeyRange', { bound: () => undefined });
  const storage = indexedDbStorage();
  await expect(storage.list('')).rejects.toThrow('broken');
  expect(await storage.list('')).toEqual([]);
  expect(await storage.list('')).toEqual([]);
  expect(open).toHaveBeenCalledTimes(2);
  (whole[0]?.['onversionchange'] as () => void)();
  expect(whole[0]?.['close']).toHaveBeenCalledTimes(1);
  expect(await storage.list('')).toEqual([]);
  expect(open).toHaveBeenCalledTimes(3);
});
