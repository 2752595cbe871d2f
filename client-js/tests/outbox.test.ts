import fc from 'fast-check';
import { describe, expect, test, vi } from 'vitest';
import type { FluxError } from '../src/errors.ts';
import type { Dispatch, Outcome } from '../src/frames.ts';
import type { Json, JsonObject } from '../src/json.ts';
import { BUSY_MS, makeOutbox, WINDOW } from '../src/outbox.ts';
import type { Brought, Left, Outbox } from '../src/outbox.ts';
import { goldenFrame } from './golden.ts';

const MAX = 65_536;

interface Answers {
  replies: Json[];
  errors: string[];
}

function outbox(limit = MAX): { box: Outbox; add: (...names: string[]) => void; answers: Answers } {
  let ids = 0;
  const box = makeOutbox({ makeId: () => `client-${(ids += 1)}`, random: () => 0 });
  const answers: Answers = { replies: [], errors: [] };
  const add = (...names: string[]): void => {
    for (const name of names) {
      const caller = {
        sent: vi.fn(),
        resolve: (reply: Json): unknown => answers.replies.push(reply),
        reject: ({ code }: FluxError): unknown => answers.errors.push(`${name}: ${code}`),
      };
      box.add(brought(name), caller, limit);
    }
  };
  return { box, add, answers };
}

const brought = (name: string, params: JsonObject = {}): Brought => ({ id: `id of ${name}`, name, params, at: 0 });

const ok = (number: number, reply: Json = number): Outcome => ({
  ...{ type: 'outcome', lane: 0, number, status: 'ok', reply, stores: {} },
});
const bad = (number: number, status: 'refused' | 'invalid', code: string): Outcome => ({
  ...{ type: 'outcome', lane: 0, number, status, error: { code, message: '' }, stores: {} },
});
const sent = (frames: Dispatch[]): string => frames.map(({ number, name }) => `${number}${name}`).join(' ');

test('the frame of an action is the golden one', () => {
  const { box, add } = outbox();
  add('1', '2', '3', '4', '5', '6');
  const caller = { sent: vi.fn(), resolve: vi.fn(), reject: vi.fn() };
  box.add(brought('post_message', { room: 'lobby', body: 'hello' }), caller, MAX);
  expect(box.send(MAX, 0).at(-1)).toEqual(goldenFrame('dispatch'));
});

describe('§4', () => {
  test('numbers begin at 1 and have no gaps, and nothing is sent twice on one connection', () => {
    const { box, add } = outbox();
    add('a', 'b');
    expect(sent(box.send(MAX, 0))).toBe('1a 2b');
    add('c');
    expect(sent(box.send(MAX, 0))).toBe('3c');
  });

  test('what has no outcome is sent again on the next connection, in order', () => {
    const { box, add, answers } = outbox();
    add('a', 'b', 'c');
    box.send(MAX, 0);
    box.settle(ok(1), 0);
    box.lost();
    add('d');
    expect(sent(box.send(MAX, 0))).toBe('2b 3c 4d');
    for (const number of [2, 3, 4]) box.settle(ok(number), 0);
    expect(answers).toEqual({ replies: [1, 2, 3, 4], errors: [] });
  });

  test('a second outcome of one action, and one of an action that nobody brought, are ignored', () => {
    const { box, add, answers } = outbox();
    add('a');
    box.send(MAX, 0);
    box.settle(ok(1), 0);
    box.settle(ok(1, 'again'), 0);
    box.settle(ok(7), 0);
    expect(answers).toEqual({ replies: [1], errors: [] });
    box.close({ code: 'closed' } as FluxError);
    expect(answers.errors).toEqual([]);
  });

  test.each([
    ['refused', 'too_long'],
    ['invalid', 'number_reused'],
    ['invalid', 'outcome_expired'],
  ] as const)('an action that was %s as %s is over, and the next one goes on', (status, code) => {
    const { box, add, answers } = outbox();
    add('a', 'b');
    box.send(MAX, 0);
    box.settle(bad(1, status, code), 0);
    box.settle(ok(2), 0);
    expect(answers).toEqual({ replies: [2], errors: [`a: ${code}`] });
  });

  test('after a gap everything from the first one on is sent again, once the front has answered all', () => {
    const { box, add, answers } = outbox();
    add('a', 'b', 'c');
    box.send(MAX, 0);
    box.settle(bad(2, 'invalid', 'number_gap'), 0);
    add('d');
    expect(sent(box.send(MAX, 0))).toBe('');
    box.settle(bad(3, 'invalid', 'number_gap'), 0);
    expect(sent(box.send(MAX, 0))).toBe('1a 2b 3c 4d');
    expect(answers).toEqual({ replies: [], errors: [] });
  });

  test('a connection that is lost while a gap is being closed does not hold anything up', () => {
    const { box, add } = outbox();
    add('a', 'b');
    box.send(MAX, 0);
    box.settle(bad(2, 'invalid', 'number_gap'), 0);
    box.lost();
    expect(sent(box.send(MAX, 0))).toBe('1a 2b');
  });

  test('busy: it is sent again, a moment after outcomes have come, and all behind it', () => {
    const { box, add } = outbox();
    add('a', 'b', 'c');
    box.send(MAX, 0);
    box.settle(bad(2, 'invalid', 'busy'), 0);
    box.settle(bad(3, 'invalid', 'busy'), 0);
    expect(sent(box.send(MAX, 1000))).toBe('');
    expect(box.deadline).toBe(Infinity);
    box.settle(ok(1), 1000);
    expect(box.deadline).toBe(1000 + BUSY_MS);
    expect(sent(box.send(MAX, 1000 + BUSY_MS - 1))).toBe('');
    expect(sent(box.send(MAX, 1000 + BUSY_MS))).toBe('2b 3c');
    expect(box.deadline).toBe(Infinity);
  });

  test('busy again and again: each wait is longer, up to a cap, until something else is said', () => {
    const { box, add } = outbox();
    add('a', 'b');
    const waits: number[] = [];
    let now = 0;
    for (let round = 0; round < 9; round += 1) {
      expect(sent(box.send(MAX, now))).toBe('1a 2b');
      box.settle(bad(1, 'invalid', 'busy'), now);
      box.settle(bad(2, 'invalid', 'busy'), now);
      waits.push(box.deadline - now);
      now = box.deadline;
    }
    expect(waits).toEqual([50, 100, 200, 400, 800, 1600, 3200, 5000, 5000]);
    box.send(MAX, now);
    box.settle(ok(1), now);
    box.settle(bad(2, 'invalid', 'busy'), now);
    expect(box.deadline - now).toBe(BUSY_MS);
  });

  test('busy, and the connection is lost: the next one is not kept waiting', () => {
    const { box, add } = outbox();
    add('a');
    box.send(MAX, 0);
    box.settle(bad(1, 'invalid', 'busy'), 0);
    box.lost();
    expect(box.deadline).toBe(Infinity);
    expect(sent(box.send(MAX, 0))).toBe('1a');
  });

  test.each(['client_expired', 'number_gap'])('%s of the first one: a new id, numbers from 1', (code) => {
    const { box, add, answers } = outbox();
    add('a', 'b', 'c');
    box.send(MAX, 0);
    box.settle(ok(1), 0);
    expect(box.hello()).toBe('client-1');
    box.settle(bad(2, 'invalid', code), 0);
    expect([box.turned, box.send(MAX, 0)]).toEqual([true, []]);
    box.lost();
    expect(box.hello()).toBe('client-2');
    expect(sent(box.send(MAX, 0))).toBe('1b 2c');
    expect(answers).toEqual({ replies: [1], errors: [] });
  });

  test('who keeps its first action was only overtaken: the id stays, and all is sent again', () => {
    const { box, add, answers } = outbox();
    add('a', 'b', 'c');
    box.send(MAX, 0);
    box.settle(bad(2, 'invalid', 'client_expired'), 0);
    box.settle(bad(3, 'invalid', 'number_gap'), 0);
    box.settle(ok(1), 0);
    expect(box.turned).toBe(false);
    expect(sent(box.send(MAX, 0))).toBe('2b 3c');
    expect(answers).toEqual({ replies: [1], errors: [] });
  });

  test('what may have been applied under an expired id is not sent under another: its caller is told', () => {
    const { box, add, answers } = outbox();
    add('a', 'b');
    box.send(MAX, 0);
    box.settle(ok(1), 0);
    box.lost();
    add('c');
    box.send(MAX, 0);
    box.settle(bad(2, 'invalid', 'client_expired'), 0);
    expect(answers).toEqual({ replies: [1], errors: ['b: client_expired'] });
    box.hello();
    expect(sent(box.send(MAX, 0))).toBe('1c');
  });
});

describe('what another page left', () => {
  const left = (answers: Answers, number: number, name: string): Left => ({
    number,
    brought: brought(name),
    caller: { sent: vi.fn(), resolve: vi.fn(), reject: ({ code }) => answers.errors.push(`${name}: ${code}`) },
  });

  test('goes under its own id, before what this page has not sent yet', () => {
    const { box, add, answers } = outbox();
    add('a');
    box.send(MAX, 0);
    add('b');
    box.adopt('before', [left(answers, 7, 'x'), left(answers, 8, 'y')]);
    expect([box.turned, sent(box.send(MAX, 0))]).toEqual([false, '']);
    box.settle(ok(1), 0);
    expect(box.turned).toBe(true);
    box.lost();
    expect(box.hello()).toBe('before');
    expect(sent(box.send(MAX, 0))).toBe('7x 8y');
    box.settle(ok(7), 0);
    box.settle(ok(8), 0);
    expect(box.turned).toBe(true);
    expect([box.hello(), sent(box.send(MAX, 0))]).toEqual(['client-1', '2b']);
  });

  test('and cannot be sent at all holds up nothing', () => {
    const { box, add, answers } = outbox();
    box.adopt('before', [left(answers, 7, 'x'.repeat(200))]);
    add('a');
    box.hello();
    expect([sent(box.send(200, 0)), box.turned]).toEqual(['', true]);
    expect(answers.errors).toEqual([`${'x'.repeat(200)}: too_large`]);
    expect([box.hello(), sent(box.send(200, 0))]).toEqual(['client-1', '1a']);
  });

  test('and may have been applied under an expired id is told', () => {
    const { box, add, answers } = outbox();
    box.adopt('before', [left(answers, 7, 'x'), left(answers, 8, 'y')]);
    add('a');
    box.hello();
    box.send(MAX, 0);
    box.settle(bad(7, 'invalid', 'client_expired'), 0);
    expect(answers.errors).toEqual(['x: client_expired', 'y: client_expired']);
    expect([box.hello(), sent(box.send(MAX, 0))]).toEqual(['client-1', '1a']);
  });
});

describe('limits', () => {
  test('an action that no front would take has no number and costs no other one its turn', () => {
    const { box, add, answers } = outbox(200);
    add('a');
    add('x'.repeat(200));
    add('b');
    expect(sent(box.send(200, 0))).toBe('1a 2b');
    expect(answers.errors).toEqual([`${'x'.repeat(200)}: too_large`]);
  });

  test('one that this front would not take is never sent; what comes after it goes under a new id', () => {
    const { box, add, answers } = outbox();
    add('a', 'x'.repeat(200), 'b', 'c');
    expect(sent(box.send(200, 0))).toBe('1a 3b 4c');
    expect(answers.errors).toEqual([`${'x'.repeat(200)}: too_large`]);
    box.settle(ok(1), 0);
    box.settle(bad(3, 'invalid', 'number_gap'), 0);
    box.hello();
    expect(sent(box.send(200, 0))).toBe('1b 2c');
  });

  test('no more are under way than the window holds', () => {
    const { box, add } = outbox();
    for (let n = 0; n < WINDOW + 5; n += 1) add('a');
    expect(box.send(MAX, 0)).toHaveLength(WINDOW);
    expect(box.send(MAX, 0)).toHaveLength(0);
    box.settle(ok(1), 0);
    box.settle(ok(2), 0);
    expect(sent(box.send(MAX, 0))).toBe(`${WINDOW + 1}a ${WINDOW + 2}a`);
  });

  test('closing tells everybody who waits', () => {
    const { box, add, answers } = outbox();
    add('a', 'b');
    box.send(MAX, 0);
    box.close({ code: 'closed' } as FluxError);
    expect(answers.errors).toEqual(['a: closed', 'b: closed']);
  });
});

test('whatever a front answers, each action is settled at most once and numbers go up on a connection', () => {
  const step = fc.oneof(
    fc.record({ type: fc.constantFrom('add', 'send', 'lost') }),
    fc.record({
      type: fc.constant('settle'),
      number: fc.integer({ min: 1, max: 8 }),
      code: fc.constantFrom('ok', 'busy', 'number_gap', 'client_expired', 'number_reused', 'unknown_lane', 'other'),
    }),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60, size: 'max' }), (steps) => {
      let ids = 0;
      const box = makeOutbox({ makeId: () => `client-${(ids += 1)}`, random: () => 0 });
      const settled: number[] = [];
      let added = 0;
      for (const taken of steps) {
        if (taken.type === 'add') {
          const which = (added += 1);
          const settle = (): unknown => settled.push(which);
          box.add(brought(`${which}`), { sent: vi.fn(), resolve: settle, reject: settle }, MAX);
        } else if (taken.type === 'lost') {
          box.lost();
          box.hello();
        } else if (taken.type === 'send') {
          const names = box.send(MAX, 0).map(({ name }) => Number(name));
          expect(names).toEqual([...names].sort((a, b) => a - b));
        } else if ('number' in taken) {
          box.settle(taken.code === 'ok' ? ok(taken.number) : bad(taken.number, 'invalid', taken.code), 0);
        }
      }
      box.close({ code: 'closed' } as FluxError);
      expect([...settled].sort((a, b) => a - b)).toEqual(Array.from({ length: added }, (_value, n) => n + 1));
    }),
  );
});
