import fc from 'fast-check';
import { beforeAll, expect, test, vi } from 'vitest';
import type { JsonObject } from '../src/json.ts';
import { largeMember } from '../src/members.ts';
import { LARGE } from '../src/objects.ts';
import { ordered } from '../src/ordered.ts';
import { applyPatch } from '../src/patch.ts';
import type { Operation } from '../src/patch.ts';

interface Row {
  id: string;
  rank: number;
}

interface Table {
  rows: Record<string, Row>;
}

const COUNT = LARGE + 72;
const id = (n: number): string => `row-${n}`;
const byRank = (a: Row, b: Row): number => a.rank - b.rank || (a.id < b.id ? -1 : a.id > b.id ? 1 : 0);

function table(count = COUNT): Table & JsonObject {
  const rows = Array.from({ length: count }, (_value, n) => ({ id: id(n), rank: (n * 7919) % 1009 }));
  return { rows: Object.fromEntries(rows.map((row) => [row.id, row])) };
}

/** What a patch leaves of a plain object, by the simplest means. */
function expected(before: Table, patch: readonly Operation[]): Table {
  const rows = { ...before.rows };
  for (const operation of patch) {
    const name = operation.path.split('/')[2] as string;
    if (operation.op === 'remove') delete rows[name];
    else if (operation.path.endsWith('/rank')) rows[name] = { ...rows[name], rank: operation.value } as Row;
    else rows[name] = operation.value as unknown as Row;
  }
  return { rows };
}

/** Numbers become operations that fit the document: a row comes, goes, is replaced, or has another rank. */
function operation(rows: Record<string, Row>, [kind, which, rank]: readonly [number, number, number]): Operation {
  const name = id(which);
  const path = `/rows/${name}`;
  if (!Object.hasOwn(rows, name)) return { op: 'add', path, value: { id: name, rank } };
  if (kind === 0) return { op: 'remove', path };
  if (kind === 1) return { op: 'replace', path, value: { id: name, rank } };
  return { op: 'replace', path: `${path}/rank`, value: rank };
}

const steps = fc.array(
  fc.record({
    change: fc.tuple(fc.integer({ min: 0, max: 2 }), fc.integer({ min: 0, max: COUNT + 20 }), fc.integer({ min: 0, max: 1009 })),
    /** How many versions back it goes on from, as predictions do. */
    back: fc.integer({ min: 0, max: 3 }),
    /** Whether the whole object is read after it. */
    read: fc.boolean(),
  }),
  { maxLength: 60 },
);

const REMOVE: Operation[] = [{ op: 'remove', path: '/rows/row-1' }];

beforeAll(async () => {
  // What knows of large objects is loaded with the first of them, which is copied meanwhile.
  expect(largeMember(applyPatch(table(), REMOVE) as JsonObject, 'rows')).toBeUndefined();
  await vi.waitFor(() => expect(largeMember(applyPatch(table(), REMOVE) as JsonObject, 'rows')).toBeDefined());
});

test('a large object is what a plain one would be, in every version, whichever of them is changed or read', () => {
  fc.assert(
    fc.property(steps, (taken) => {
      const inOrder = ordered<Table, 'rows'>('rows', byRank);
      const plain = [table() as Table];
      const large = [table() as Table];
      for (const { change, back, read } of taken) {
        const from = Math.max(0, plain.length - 1 - back);
        const one = operation((plain[from] as Table).rows, change);
        plain.push(expected(plain[from] as Table, [one]));
        const next = applyPatch(large[from] as unknown as JsonObject, [one]) as unknown as Table;
        large.push(next);
        expect(largeMember(next, 'rows')).toBeDefined();
        expect(inOrder(next)).toEqual(Object.values((plain.at(-1) as Table).rows).sort(byRank));
        if (read) expect(next.rows).toEqual((plain.at(-1) as Table).rows);
      }
      // Text tells the order of members, too.
      expect(large.map((one) => JSON.stringify(one))).toEqual(plain.map((one) => JSON.stringify(one)));
    }),
    { numRuns: 60 },
  );
});

test('a history is cut, and a list goes on beyond', () => {
  const compare = vi.fn(byRank);
  const inOrder = ordered<Table, 'rows'>('rows', compare);
  let [plain, large] = [table() as Table, table() as Table];
  inOrder(large);
  compare.mockClear();
  for (let n = 0; n < 1_500; n += 1) {
    const patch = [operation(plain.rows, [n % 3, (n * 31) % COUNT, n])];
    plain = expected(plain, patch);
    large = applyPatch(large as unknown as JsonObject, patch) as unknown as Table;
    inOrder(large);
  }
  expect(inOrder(large)).toEqual(Object.values(plain.rows).sort(byRank));
  // Sorting anew would take some 1,500 comparisons each time.
  expect(compare.mock.calls.length / 1_500).toBeLessThan(50);
});

test('a part that is read stays the same object, and can be cloned', () => {
  const after = applyPatch(table(), REMOVE) as unknown as Table & { other: number };
  expect(after.rows).toBe(after.rows);
  expect(structuredClone(after)).toEqual(expected(table(), REMOVE));
  const next = applyPatch(after as unknown as JsonObject, [{ op: 'add', path: '/other', value: 1 }]) as unknown as Table;
  expect(next.rows).toBe(after.rows);
  expect({ ...next }).toEqual({ ...expected(table(), REMOVE), other: 1 });
});

test('a large part can be replaced, removed, and made anew', () => {
  const before = applyPatch(table(), REMOVE);
  expect(applyPatch(before, [{ op: 'replace', path: '/rows', value: {} }])).toEqual({ rows: {} });
  expect(applyPatch(before, [{ op: 'remove', path: '/rows' }])).toEqual({});
  expect(
    applyPatch(before, [
      { op: 'replace', path: '/rows', value: null },
      { op: 'replace', path: '/rows', value: { a: 1 } },
      { op: 'add', path: '/rows/b', value: 2 },
    ]),
  ).toEqual({ rows: { a: 1, b: 2 } });
  expect(Object.keys((before as unknown as Table).rows)).toHaveLength(COUNT - 1);
});

test('a row that did not change is the same object, and a list without a change the same list', () => {
  const inOrder = ordered<Table, 'rows'>('rows', byRank);
  const before = applyPatch(table(), REMOVE) as unknown as Table;
  const list = inOrder(before);
  const after = applyPatch(before as unknown as JsonObject, [{ op: 'replace', path: '/rows/row-2/rank', value: 0 }]);
  const next = inOrder(after as unknown as Table);
  expect(next.filter((row) => !list.includes(row))).toEqual([{ id: 'row-2', rank: 0 }]);
  expect(inOrder(applyPatch(after, [{ op: 'add', path: '/other', value: 1 }]) as unknown as Table)).toBe(next);
  expect(inOrder({} as Table)).toEqual([]);
});

test('"__proto__" is a member like any other', () => {
  const patch: Operation[] = [{ op: 'add', path: '/rows/__proto__', value: { id: 'x', rank: 1 } }];
  const after = applyPatch(table(), patch) as unknown as Table;
  expect(Object.hasOwn(after.rows, '__proto__')).toBe(true);
  expect(Object.getPrototypeOf(after.rows)).toBe(Object.prototype);
  expect(applyPatch(after as unknown as JsonObject, [{ op: 'remove', path: '/rows/__proto__' }])).toEqual(table());
});
