/** The React layer: `useSyncExternalStore` and little else. */
import { createContext, createElement, useCallback, useContext, useMemo, useSyncExternalStore } from 'react';
import type { ReactElement, ReactNode } from 'react';
import type { Client, ConnectionStatus } from './client.ts';
import { canonical } from './json.ts';
import type { JsonObject } from './json.ts';
import type { ActionRef, StoreRef } from './refs.ts';
import type { StoreState } from './subscription.ts';

const Context = createContext<Client | undefined>(undefined);

/** Gives the components below it their client. It neither opens nor closes it. */
export function FluxProvider({ client, children }: { client: Client; children?: ReactNode }): ReactElement {
  return createElement(Context.Provider, { value: client }, children);
}

/** The client of the nearest {@link FluxProvider}. */
export function useClient(): Client {
  const client = useContext(Context);
  if (client === undefined) throw new Error('There is no FluxProvider above this component.');
  return client;
}

/** A live store. Equal references share one subscription, which ends a while after its last component. */
export function useStore<Document>(ref: StoreRef<Document>): StoreState<Document> {
  const client = useClient();
  const { name } = ref;
  // A reference is mostly written in place: it is a new object on each render, of the same content.
  const params = canonical(ref.params);
  const store = useMemo(
    () => client.store<Document>({ name, params: JSON.parse(params) as JsonObject }),
    [client, name, params],
  );
  return useSyncExternalStore(store.subscribe, store.get, store.get);
}

/** A function that brings the action, the same one on every render. It rejects with a `FluxError`. */
export function useAction<Params extends object, Reply>(
  ref: ActionRef<Params, Reply>,
): (params: Params) => Promise<Reply> {
  const client = useClient();
  const { name } = ref;
  return useCallback((params) => client.dispatch<Params, Reply>({ name }, params), [client, name]);
}

/** The connection, to be shown. */
export function useConnection(): ConnectionStatus {
  const { connection } = useClient();
  return useSyncExternalStore(connection.subscribe, connection.get, connection.get);
}
