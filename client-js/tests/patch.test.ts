import fc from 'fast-check';
import oracle from 'fast-json-patch';
import { describe, expect, test } from 'vitest';
import type { Json } from '../src/json.ts';
import { applyPatch } from '../src/patch.ts';
import type { Operation } from '../src/patch.ts';

const { applyPatch: applyOracle, compare, deepClone } = oracle;

// Without "__proto__", a name that the oracle does not take; and read from text, as documents are.
const json: fc.Arbitrary<Json> = fc
  .json({ maxDepth: 4 })
  .filter((text) => !text.includes('__proto__'))
  .map((text) => JSON.parse(text) as Json);

/** Freezes a document all the way down, so that any change to it throws. */
function frozen<T>(value: T): T {
  if (typeof value === 'object' && value !== null) {
    Object.values(value).forEach(frozen);
    Object.freeze(value);
  }
  return value;
}

test('a patch takes one document to the other, and leaves the first as it was', () => {
  fc.assert(
    fc.property(json, json, (before, after) => {
      const patch = compare({ root: before } as object, { root: after } as object) as Operation[];
      expect(applyPatch(frozen({ root: before }), patch)).toEqual({ root: after });
    }),
  );
});

test('any operations do what the oracle does, or are refused where it refuses', () => {
  // The oracle is lax about inherited names and odd indices: these have tests of their own below.
  const token = fc.constantFrom('a', 'b', '0', '1', '-', '~0', '~1');
  const path = fc.array(token, { maxLength: 3 }).map((tokens) => tokens.map((one) => `/${one}`).join(''));
  const operation = fc.oneof(
    fc.record({ op: fc.constantFrom('add', 'replace'), path, value: fc.constantFrom<Json[]>({}, [], { a: [] }) }),
    fc.record({ op: fc.constant('remove'), path }),
  ) as fc.Arbitrary<Operation>;
  const document = fc.constantFrom<Json[]>({ a: [1, { b: 2 }], b: { a: {} }, '': 1 }, { a: { '0': [] } }, [[], {}]);
  fc.assert(
    fc.property(document, fc.array(operation, { maxLength: 6 }), (before, patch) => {
      let expected: Json | undefined;
      try {
        expected = applyOracle(deepClone(before), deepClone(patch), true).newDocument as Json;
      } catch {
        expected = undefined;
      }
      // The oracle removes a whole document to null, which is none that a store could have.
      if (patch.some(({ op, path: at }) => op === 'remove' && at === '')) return;
      if (expected === undefined) expect(() => applyPatch(frozen(before), patch)).toThrow(RangeError);
      else expect(applyPatch(frozen(before), patch)).toEqual(expected);
    }),
    { numRuns: 1000 },
  );
});

test.each(['01', '', 'length', '-1', '1.0', ' 0', '3', '-'])('RFC 6901: "%s" is no index of a list of two', (token) => {
  for (const op of ['replace', 'remove'] as const) {
    expect(() => applyPatch({ list: [1, 2] }, [{ op, path: `/list/${token}`, value: 1 }])).toThrow(RangeError);
  }
});

test.each(['a', '/~', '/~2'])('RFC 6901: "%s" is no pointer', (path) => {
  expect(() => applyPatch({ a: 1, '~': 1, '~2': 1 }, [{ op: 'add', path, value: 1 }])).toThrow(RangeError);
});

describe('sharing', () => {
  test('what no operation touched stays the same object', () => {
    const before = { messages: { a: { body: '1' }, b: { body: '2' } }, members: { ada: {} } };
    const after = applyPatch(before, [{ op: 'replace', path: '/messages/a/body', value: '3' }]) as typeof before;
    expect(after.messages.b).toBe(before.messages.b);
    expect(after.members).toBe(before.members);
    expect(after.messages.a).not.toBe(before.messages.a);
  });

  test('an empty patch changes nothing at all', () => {
    const before = { a: {} };
    expect(applyPatch(before, [])).toBe(before);
  });

  test('a value that a later operation changes does not change in the patch itself', () => {
    const patch: Operation[] = frozen([
      { op: 'add', path: '/a', value: { list: [] } },
      { op: 'add', path: '/a/list/-', value: 1 },
    ]);
    expect(applyPatch({}, patch)).toEqual({ a: { list: [1] } });
  });
});

describe('prototypes', () => {
  test.each(['/__proto__/polluted', '/constructor/prototype/polluted', '/toString/name', '/list/__proto__/0'])(
    'no path leads to one: %s',
    (path) => {
      for (const op of ['add', 'replace', 'remove'] as const) {
        expect(() => applyPatch({ list: [] }, [{ op, path, value: 1 }])).toThrow(RangeError);
      }
      expect(({} as Record<string, unknown>)['polluted']).toBeUndefined();
    },
  );

  test('"__proto__" and "constructor" are names like any other', () => {
    const before = JSON.parse('{"members": {}}') as Json;
    const after = applyPatch(before, [
      { op: 'add', path: '/members/__proto__', value: { name: 'x' } },
      { op: 'replace', path: '/members/__proto__/name', value: 'y' },
      { op: 'add', path: '/members/constructor', value: 'z' },
    ]);
    expect(JSON.stringify(after)).toBe('{"members":{"__proto__":{"name":"y"},"constructor":"z"}}');
    const without = applyPatch(after, [{ op: 'remove', path: '/members/__proto__' }]);
    expect(JSON.stringify(without)).toBe('{"members":{"constructor":"z"}}');
  });
});
