/** The React layer: `useSyncExternalStore` and little else. */
import {
  createContext,
  createElement,
  useCallback,
  useContext,
  useMemo,
  useRef,
  useSyncExternalStore,
} from 'react';
import type { ReactElement, ReactNode } from 'react';
import type { Client, ConnectionStatus, Dispatched, DispatchOptions, StoreHandle } from './client.ts';
import { canonical } from './json.ts';
import type { Json, JsonObject } from './json.ts';
import { pagedStore } from './paged.ts';
import type { Page, PagedOptions, PagedState, PagedStore } from './paged.ts';
import type { PendingAction } from './pending.ts';
import { preload } from './preload.ts';
import type { ActionRef, StoreRef } from './refs.ts';
import type { StoreState } from './subscription.ts';

export { pagedStore, preload };
export type { Page, PagedOptions, PagedState, PagedStore };

const Context = createContext<Client | undefined>(undefined);

/** Gives the components below it their client. It neither opens nor closes it. */
export function FluxProvider({ client, children }: { client: Client; children?: ReactNode }): ReactElement {
  return createElement(Context.Provider, { value: client }, children);
}

/** The client of the nearest {@link FluxProvider}. */
export function useClient(): Client {
  const client = useContext(Context);
  if (client === undefined) throw new Error('There is no FluxProvider above.');
  return client;
}

/** No store: `useStore(room !== undefined && stores.room({ room }))` asks for one only if there is a room. */
export type Nothing = false | null | undefined;

export interface UseStoreOptions<Document, Selected = Document> {
  /** The part of the document that the component needs; it renders again only if that has changed. */
  select?: (document: Document) => Selected;
  /** When two parts count as the same; `Object.is` unless given. */
  isEqual?: (before: Selected, after: Selected) => boolean;
  /** False: hold nothing for now. */
  enabled?: boolean;
  /** Go on showing the store of before, as `stale`, until another one has a document. */
  keepPrevious?: boolean;
}

const NOTHING: StoreState<never> = { status: 'pending', data: undefined, version: undefined, error: undefined };

/** A live store. Equal references share one subscription, which ends a while after its last component. */
export function useStore<Document, Selected = Document>(
  ref: StoreRef<Document> | Nothing,
  { select, isEqual = Object.is, enabled = true, keepPrevious = false }: UseStoreOptions<Document, Selected> = {},
): StoreState<Selected> {
  const store = useHandle(enabled ? ref : undefined);
  const last = useRef<StoreState<Selected>>(NOTHING);
  // The last answer and what it was made of: as long as nothing has changed it stays the same object.
  const made = useMemo<Made<Document, Selected>>(() => ({ of: undefined, by: undefined, is: NOTHING }), [store]);
  const get = (): StoreState<Selected> => {
    const state = store?.get() ?? NOTHING;
    if (state === made.of && select === made.by) return made.is;
    const before = made.is;
    made.of = state;
    made.by = select;
    if (state.status === 'pending' && keepPrevious && last.current.data !== undefined) {
      made.is = { ...last.current, status: 'stale' };
    } else if (select === undefined) {
      made.is = state as unknown as StoreState<Selected>;
    } else {
      const selected = state.data === undefined ? undefined : select(state.data);
      const equal = selected !== undefined && before.data !== undefined && isEqual(before.data, selected);
      const data = equal ? before.data : selected;
      // Another version alone is no news to somebody who looks at a part.
      const same = data === before.data && state.status === before.status && state.error === before.error;
      if (!same) made.is = { ...state, data };
    }
    return made.is;
  };
  const state = useSyncExternalStore(store?.subscribe ?? never, get, get);
  last.current = state;
  return state;
}

interface Made<Document, Selected> {
  of: StoreState<Document> | undefined;
  by: ((document: Document) => Selected) | undefined;
  is: StoreState<Selected>;
}

/** A live store that is there: suspends until it has a document, and throws its error to the nearest boundary. */
export function useSuspenseStore<Document>(ref: StoreRef<Document>): StoreState<Document> & { data: Document } {
  const client = useClient();
  const store = useHandle(ref) as StoreHandle<Document>;
  const state = useSyncExternalStore(store.subscribe, store.get, store.get);
  if (state.status === 'error') throw state.error;
  // A suspended component holds nothing: the promise does, and for the grace time after.
  if (state.data === undefined) throw preload(client, ref);
  return state as StoreState<Document> & { data: Document };
}

/** {@link PagedState}, and functions that make the list longer, the same ones on every render. */
export type UsePagedStore<Row> = PagedState<Row> & Pick<PagedStore<Row>, 'loadEarlier' | 'loadLater'>;

/**
 * A history in pages: its newest rows, live, and those beyond as far as they were asked for.
 *
 * The functions among the options are those of the first render with the same `newest` and `from`.
 */
export function usePagedStore<Document, Row, Cursor>(
  options: PagedOptions<Document, Row, Cursor>,
): UsePagedStore<Row> {
  const client = useClient();
  const { newest, from } = options;
  const text = canonical([newest.name, newest.params, (from ?? null) as Json]);
  const paged = useMemo(() => pagedStore(client, options), [client, text]);
  const state = useSyncExternalStore(paged.subscribe, paged.get, paged.get);
  return { ...state, loadEarlier: paged.loadEarlier, loadLater: paged.loadLater };
}

/** A function that asks for a store before a component does: when a pointer is over a link, say. */
export function usePreload(): <Document>(ref: StoreRef<Document>) => void {
  const client = useClient();
  return useCallback((ref) => void preload(client, ref), [client]);
}

/** A function that brings the action, the same one on every render. It rejects with a `FluxError`. */
export function useAction<Params extends object, Reply>(
  ref: ActionRef<Params, Reply>,
  options?: DispatchOptions<Params>,
): (params: Params) => Dispatched<Reply> {
  const client = useClient();
  const { name } = ref;
  const newest = useRef(options);
  newest.current = options;
  return useCallback((params) => client.dispatch<Params, Reply>({ name }, params, newest.current), [client, name]);
}

/** Every action that is not settled yet, in the order in which they were brought. */
export function usePendingActions(): readonly PendingAction[] {
  const { pending } = useClient();
  return useSyncExternalStore(pending.subscribe, pending.get, pending.get);
}

/** The connection, to be shown. */
export function useConnection(): ConnectionStatus {
  const { connection } = useClient();
  return useSyncExternalStore(connection.subscribe, connection.get, connection.get);
}

function useHandle<Document>(ref: StoreRef<Document> | Nothing): StoreHandle<Document> | undefined {
  const client = useClient();
  // A reference is mostly written in place: it is a new object on each render, of the same content.
  const text = ref ? canonical([ref.name, ref.params]) : undefined;
  return useMemo(() => {
    if (text === undefined) return undefined;
    const [name, params] = JSON.parse(text) as [string, JsonObject];
    return client.store<Document>({ name, params });
  }, [client, text]);
}

/** Nothing to listen to. */
const never = (): (() => void) => () => undefined;
