/**
 * History in pages: the newest rows, live, and beyond them as many pages as were asked for, in both directions.
 *
 * A page is a store like any other, whose parameters are a cursor and a direction: the rows next to a row (docs/sql.md,
 * Pages). The newest rows are a window that moves on; what leaves it while earlier pages are shown stays in the list.
 */
import type { Client, Observable, StoreHandle } from './client.ts';
import type { FluxError } from './errors.ts';
import type { StoreRef } from './refs.ts';
import type { StoreState, StoreStatus } from './subscription.ts';

/** Which way a page lies from its cursor. */
export type Direction = 'earlier' | 'later';

/** What a page's document says beside its rows. */
export interface Page {
  /** Whether there are rows beyond it, in its direction. */
  more: boolean;
}

export interface PagedOptions<Document, Row, Cursor> {
  /** The newest rows. */
  newest: StoreRef<NoInfer<Document>>;
  /** The page next to a row: of those before it, or of those from it on. */
  page: (cursor: Cursor, direction: Direction) => StoreRef<NoInfer<Document> & Page>;
  /** The rows of a document, in order; best the same list for the same rows, as `ordered` makes them. */
  rows: (document: Document) => readonly Row[];
  /** What tells rows apart. */
  key: (row: Row) => string;
  /** Where a row stands, for a page next to it; `undefined` for one that is only predicted. */
  cursor: (row: Row) => Cursor | undefined;
  /** Begin here, with the page of earlier rows and that of later ones, and not with the newest. */
  from?: Cursor;
}

/** Beyond the rows at hand: there may be more, they are on their way, or there are none. */
export type Beyond = 'more' | 'loading' | 'end';

export interface PagedState<Row> {
  /** All rows at hand, in order, without a gap. */
  readonly rows: readonly Row[];
  /** Of the store that the list ends with; `pending` until there is anything. */
  readonly status: StoreStatus;
  /** Why a page cannot be read. */
  readonly error: FluxError | undefined;
  readonly earlier: Beyond;
  readonly later: Beyond;
}

/** The list, and how to make it longer. Its members may be passed on by themselves. */
export interface PagedStore<Row> extends Observable<PagedState<Row>> {
  readonly loadEarlier: () => void;
  readonly loadLater: () => void;
}

/** Show a history. Nothing is asked of a front before somebody subscribes. */
export function pagedStore<Document, Row, Cursor>(
  client: Client,
  options: PagedOptions<Document, Row, Cursor>,
): PagedStore<Row> {
  return new Pages(client, options);
}

class Pages<Document, Row, Cursor> implements PagedStore<Row> {
  readonly #client: Client;
  readonly #options: PagedOptions<Document, Row, Cursor>;
  readonly #listeners = new Set<() => void>();
  readonly #leave = new Map<StoreHandle<never>, () => void>();
  readonly #newest: StoreHandle<Document>;
  /** The nearest first, in each direction. */
  readonly #pages: Record<Direction, StoreHandle<Document & Page>[]> = { earlier: [], later: [] };
  /** False while the list ends with a page in the past. */
  #live: boolean;
  /** What the newest rows were, and those that have left them since there are pages. */
  #window: readonly Row[] = [];
  #left: readonly Row[] = [];
  /** All rows before the newest, and what they were put together of. */
  #before: { of: readonly unknown[]; list: readonly Row[] } = { of: [], list: [] };
  /** The states that {@link #state} was made of. */
  #made: readonly StoreState<unknown>[] = [];
  #state: PagedState<Row> = { rows: [], status: 'pending', error: undefined, earlier: 'loading', later: 'end' };

  constructor(client: Client, options: PagedOptions<Document, Row, Cursor>) {
    this.#client = client;
    this.#options = options;
    this.#newest = client.store(options.newest);
    const { from } = options;
    this.#live = from === undefined;
    if (from === undefined) return;
    this.#add(from, 'earlier');
    this.#add(from, 'later');
  }

  readonly get = (): PagedState<Row> => {
    if (!same(this.#states(), this.#made)) {
      this.#state = this.#make();
      this.#made = this.#states();
    }
    return this.#state;
  };

  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    this.#hold();
    return () => {
      this.#listeners.delete(listener);
      this.#hold();
    };
  };

  readonly loadEarlier = (): void => this.#load('earlier', this.get().rows[0]);

  readonly loadLater = (): void => this.#load('later', this.get().rows.at(-1));

  #load(direction: Direction, beside: Row | undefined): void {
    const cursor = beside && this.#options.cursor(beside);
    if (cursor === undefined || this.get()[direction] !== 'more') return;
    this.#add(cursor, direction);
    this.#hold();
    this.#tell();
  }

  #add(cursor: Cursor, direction: Direction): void {
    this.#pages[direction].push(this.#client.store(this.#options.page(cursor, direction)));
  }

  /** Every store that the list is made of. */
  #handles(): StoreHandle<never>[] {
    const { earlier, later } = this.#pages;
    return [...earlier, ...later, ...(this.#live ? [this.#newest] : [])] as StoreHandle<never>[];
  }

  #states(): StoreState<unknown>[] {
    return this.#handles().map((handle) => handle.get());
  }

  /** Hold these stores while somebody listens, and none other. */
  #hold(): void {
    const wanted = new Set(this.#listeners.size > 0 ? this.#handles() : []);
    for (const handle of wanted) if (!this.#leave.has(handle)) this.#leave.set(handle, handle.subscribe(this.#changed));
    for (const [handle, leave] of this.#leave) {
      if (wanted.has(handle)) continue;
      leave();
      this.#leave.delete(handle);
    }
  }

  readonly #changed = (): void => {
    this.get();
    // What was seen may have led on to the newest rows, or away from pages.
    this.#hold();
    this.#tell();
  };

  #tell(): void {
    for (const listener of this.#listeners) listener();
  }

  #make(): PagedState<Row> {
    const { rows } = this.#options;
    const { earlier, later } = this.#pages;
    if (!this.#live && later.at(-1)?.get().data?.more === false) this.#live = true;
    const newest = this.#newest.get();
    if (this.#live && newest.data !== undefined) this.#move(rows(newest.data));
    const pages = [...[...earlier].reverse(), ...later].map((handle) => handle.get());
    const [last = newest] = this.#live ? [newest] : pages.slice(-1);
    const before = this.#together([...pages.map(({ data }) => (data === undefined ? NONE : rows(data))), this.#left]);
    return {
      rows: this.#live ? this.#join(before, this.#window) : before,
      status: last.status,
      error: [...pages, last].find(({ error }) => error !== undefined)?.error,
      earlier: beyond(earlier.at(-1)?.get(), this.#window.length > 0),
      later: this.#live ? 'end' : beyond(later.at(-1)?.get(), true),
    };
  }

  /** The newest rows have moved on. */
  #move(rows: readonly Row[]): void {
    const { key } = this.#options;
    const before = this.#window;
    if (rows === before) return;
    this.#window = rows;
    const { earlier, later } = this.#pages;
    if (before.length === 0 || earlier.length + later.length === 0) return;
    const now = new Set(rows.map(key));
    const overlap = before.findIndex((row) => now.has(key(row)));
    if (overlap === -1) {
      // More came than the newest rows are: what was before them is not next to them any more.
      earlier.length = later.length = 0;
      this.#left = [];
    } else if (rows[0] !== undefined && key(before[overlap] as Row) === key(rows[0])) {
      this.#left = [...this.#left, ...before.slice(0, overlap)];
    }
  }

  /** One list out of many; the same one as long as they are. */
  #together(lists: readonly (readonly Row[])[]): readonly Row[] {
    const { of, list } = this.#before;
    if (same(of, lists)) return list;
    const next = lists.reduce((before, after) => this.#join(before, after));
    this.#before = { of: lists, list: next };
    return next;
  }

  /** One list out of two that may overlap; the latter knows better. */
  #join(list: readonly Row[], next: readonly Row[]): readonly Row[] {
    const { key } = this.#options;
    if (list.length === 0 || next.length === 0) return list.length === 0 ? next : list;
    const known = new Set(next.map(key));
    // They overlap at the seam, if at all.
    const seam = list.slice(-next.length);
    const at = seam.findIndex((row) => known.has(key(row)));
    return [...list.slice(0, at === -1 ? undefined : at - seam.length), ...next];
  }
}

function same(some: readonly unknown[], others: readonly unknown[]): boolean {
  return some.length === others.length && some.every((one, at) => one === others[at]);
}

const NONE: readonly never[] = [];

function beyond(last: StoreState<Page> | undefined, begun: boolean): Beyond {
  if (last?.status === 'error') return 'end';
  if (last === undefined ? begun : last.data?.more) return 'more';
  return last?.data === undefined ? 'loading' : 'end';
}
