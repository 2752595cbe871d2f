import type { Client } from './client.ts';
import type { StoreRef } from './refs.ts';
import type { StoreState } from './subscription.ts';

/** Hold a store until it has a document or an error, and for the grace time after that. */
export function preload<Document>(client: Client, ref: StoreRef<Document>): Promise<StoreState<Document>> {
  const store = client.store(ref);
  return new Promise((resolve) => {
    const look = (): void => {
      const state = store.get();
      if (state.status === 'pending') return;
      resolve(state);
      // Not from within the listener's own call: it may be called before there is anything to leave.
      queueMicrotask(() => leave());
    };
    const leave = store.subscribe(look);
    look();
  });
}
