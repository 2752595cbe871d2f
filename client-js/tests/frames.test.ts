import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { DOWN, parse, sizeOf } from '../src/frames.ts';
import { goldenDown } from './golden.ts';

describe('golden frames from a front', () => {
  test.each(goldenDown)('$name', ({ valid, text, value }) => {
    if (!valid) expect(() => parse(text)).toThrow();
    else if (value === null) expect(parse(text)).toBeUndefined();
    else expect(parse(text)).toMatchObject(value as object);
  });
});

/** What the table calls a frame: outcomes have a row for each status. */
function kindOf({ type, status }: Record<string, unknown>): string {
  return type === 'outcome' ? `outcome ${String(status)}` : String(type);
}

test('every kind of frame has a golden one', () => {
  const kinds = goldenDown.map(({ text }) => kindOf(JSON.parse(text) as Record<string, unknown>));
  expect(Object.keys(DOWN).filter((kind) => !kinds.includes(kind))).toEqual([]);
});

test('the members of a frame are those of protocol 1: to change them is to change the protocol', () => {
  const members = Object.entries(DOWN).map(([type, shape]) => `${type}: ${Object.keys(shape).join(' ')}`);
  expect(members).toMatchInlineSnapshot(`
    [
      "welcome: protocol actor max_frame heartbeat_ms",
      "pong: ",
      "subscribed: id store epoch version resumed",
      "unsubscribed: id error",
      "snapshot: store epoch version document",
      "update: store epoch from to patch",
      "commit: updates",
      "outcome ok: lane number stores reply",
      "outcome refused: lane number stores error",
      "outcome invalid: lane number stores error",
    ]
  `);
});

test('§1: a frame without one of its members is refused', () => {
  for (const { text, value } of goldenDown) {
    if (value === null) continue;
    const frame = JSON.parse(text) as Record<string, unknown>;
    const shape = DOWN[kindOf(frame)] ?? {};
    for (const name of Object.keys(shape)) {
      const { [name]: _left, ...rest } = frame;
      expect(() => parse(JSON.stringify(rest)), `${text} without ${name}`).toThrow();
    }
  }
});

test.each([
  ['a patch with an operation that §3 does not allow', '{"op":"move","from":"/a","path":"/b"}'],
  ['an add without a value', '{"op":"add","path":"/a"}'],
  ['an operation without a path', '{"op":"remove"}'],
])('§3: %s is refused', (_name, operation) => {
  const text = `{"type":"update","store":"s","epoch":"e","from":1,"to":2,"patch":[${operation}]}`;
  expect(() => parse(text)).toThrow();
});

test('any text is a frame, is ignored, or is refused with a FrameError', () => {
  const mutated = fc
    .tuple(fc.constantFrom(...goldenDown), fc.nat(), fc.nat(5), fc.string())
    .map(([{ text }, at, cut, put]) => text.slice(0, at % text.length) + put + text.slice((at % text.length) + cut));
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.json(), mutated), (text) => {
      try {
        parse(text);
      } catch (error) {
        expect([SyntaxError, TypeError]).toContain((error as Error).constructor);
      }
    }),
  );
});

test.each([['a', 1], ['é', 2], ['日', 3], ['😀', 4], ['\ud800', 3]])('§1 counts bytes: %s takes %i', (text, bytes) => {
  expect(sizeOf(text)).toBe(bytes);
});
