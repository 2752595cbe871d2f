import { expect, test } from 'vitest';
import type { Message } from '../src/chat.ts';
import { byDay, inOrder } from '../src/timeline.ts';

function message(id: string, author: string, sent_at: string): Message {
  return { id, author, body: '', sent_at };
}

test('messages are in order of time, and of their ids where the time is the same, whatever the fractions look like', () => {
  const messages = [
    message('e', 'ada', '2026-11-22T10:00:01+00:00'),
    message('d', 'ada', '2026-11-22T10:00:00.000002+00:00'),
    message('c', 'ada', '2026-11-22T10:00:00.000001+00:00'),
    message('b', 'ada', '2026-11-22T10:00:00+00:00'),
    message('a', 'ada', '2026-11-22T10:00:00+00:00'),
  ];
  const ordered = inOrder(Object.fromEntries(messages.map((one) => [one.id, one])));
  expect(ordered.map(({ id }) => id).join('')).toBe('abcde');
});

test('one group holds what an author said without a pause, another author or midnight between', () => {
  const days = byDay([
    message('1', 'ada', '2026-11-21T23:50:00Z'),
    message('2', 'ada', '2026-11-21T23:54:59Z'),
    message('3', 'bob', '2026-11-21T23:55:00Z'),
    message('4', 'bob', '2026-11-21T23:59:59Z'),
    message('5', 'bob', '2026-11-22T00:00:01Z'),
    message('6', 'bob', '2026-11-22T00:05:01Z'),
  ]);
  const groups = days.map((day) => day.groups.map((group) => group.messages.map(({ id }) => id).join('')));
  expect(groups).toEqual([['12', '34'], ['5', '6']]);
});
