/**
 * The members of an object as a list in order: 10,000 of them are sorted once, and a change of one moves that one.
 *
 * Made for `select`: the list stays the same object as long as no member has changed.
 */
import { largeMember } from './members.ts';
import type { LargeObject } from './members.ts';

/** What a part of a document holds: of `{messages: Record<string, Message>}` a Message. */
export type RowOf<Document, Part extends keyof Document> =
  NonNullable<Document[Part]> extends Record<string, infer Row> ? Row : never;

/** A list, and the object that it is of; `undefined` where that is plain. */
interface Sorted<Row> {
  readonly of: LargeObject | undefined;
  readonly list: readonly Row[];
}

/** Beyond so many changes at a time, sorting anew is quicker than moving rows. */
const MOVES = 64;

/**
 * Make a function from a document to the list of one part's members.
 *
 * Outside of the component `const inOrder = ordered<Room, 'messages'>('messages', (a, b) => …)`, in it
 * `useStore(stores.room({ room }), { select: inOrder })`.
 *
 * @param part - A member of the document: an object of rows. None is an empty list.
 * @param compare - As for `Array.prototype.sort`, and 0 only for a row and itself.
 */
export function ordered<Document extends object, Part extends keyof Document & string>(
  part: Part,
  compare: (a: RowOf<Document, Part>, b: RowOf<Document, Part>) => number,
): (document: Document) => readonly RowOf<Document, Part>[] {
  type Row = RowOf<Document, Part>;
  /** By the plain object, or what a large one began as. */
  const made = new WeakMap<object, Sorted<Row>>();
  const sorted = (whole: object): Row[] => Object.values(whole).sort(compare);

  const ofPlain = (whole: object): readonly Row[] => {
    const known = made.get(whole) ?? { of: undefined, list: sorted(whole) };
    made.set(whole, known);
    return known.list;
  };

  const ofLarge = (large: LargeObject): readonly Row[] => {
    const { base, past } = large.history;
    // A history that has begun anew begins where the one before it ended.
    if (!made.has(base) && past !== undefined && made.has(past.history.base)) made.set(base, { of: undefined, list: ofLarge(past) });
    const known = made.get(base);
    if (known !== undefined && known.of === large) return known.list;
    const list = (known && moved(known, large, compare)) ?? sorted(large.whole);
    made.set(base, { of: large, list });
    return list;
  };

  return (document) => {
    const large = largeMember(document, part);
    return large === undefined ? ofPlain(document[part] ?? NO_ROWS) : ofLarge(large);
  };
}

const NO_ROWS = {};

/** The list with the rows that have changed since in their places; `undefined` if it is to be sorted anew. */
function moved<Row>(
  { of, list }: Sorted<Row>,
  large: LargeObject,
  compare: (a: Row, b: Row) => number,
): readonly Row[] | undefined {
  const before = of ?? large.begun();
  const names = [...between(before, large)].filter((name) => before.get(name) !== large.get(name));
  if (names.length === 0) return list;
  if (names.length > MOVES) return undefined;
  const next = [...list];
  for (const name of names) {
    const [was, is] = [before.get(name) as Row | undefined, large.get(name) as Row | undefined];
    if (was !== undefined) {
      const at = place(next, was, compare);
      if (next[at] !== was) return undefined;
      next.splice(at, 1);
    }
    if (is !== undefined) next.splice(place(next, is, compare), 0, is);
  }
  return next;
}

/** The names of members that may not be the same in two of one base. */
function between(one: LargeObject, other: LargeObject): Set<string> {
  const [ones, others] = [one.history.changes, other.history.changes];
  const [less, more] = one.length < other.length ? [one, other] : [other, one];
  const changes =
    ones === others ? ones.slice(less.length, more.length) : [...ones.slice(0, one.length), ...others.slice(0, other.length)];
  return new Set(changes.map(({ name }) => name));
}

/** Where a row stands, or would stand. */
function place<Row>(list: readonly Row[], row: Row, compare: (a: Row, b: Row) => number): number {
  let [from, to] = [0, list.length];
  while (from < to) {
    const middle = (from + to) >> 1;
    if (compare(list[middle] as Row, row) < 0) from = middle + 1;
    else to = middle;
  }
  return from;
}
