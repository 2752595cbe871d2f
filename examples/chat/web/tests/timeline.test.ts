import { expect, test } from 'vitest';
import type { Message } from '../src/chat.ts';
import { inOrder, itemsOf, unreadAmong } from '../src/timeline.ts';

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
  const ordered = inOrder({ messages: Object.fromEntries(messages.map((one) => [one.id, one])) });
  expect(ordered.map(({ id }) => id).join('')).toBe('abcde');
});

/** Items as a text: days in brackets, the first of an author's messages in capitals. */
function asText(messages: Message[], read?: number): string {
  return itemsOf(messages, 'me', read)
    .map((item) => {
      if (item.type === 'day') return `[${item.date.getDate()}]`;
      if (item.type === 'new') return '!';
      return item.first ? item.message.id.toUpperCase() : item.message.id;
    })
    .join('');
}

test('an author is named anew after a pause, another author or midnight', () => {
  const messages = [
    message('a', 'ada', '2026-11-21T23:50:00Z'),
    message('b', 'ada', '2026-11-21T23:54:59Z'),
    message('c', 'bob', '2026-11-21T23:55:00Z'),
    message('d', 'bob', '2026-11-21T23:59:59Z'),
    message('e', 'bob', '2026-11-22T00:00:01Z'),
    message('f', 'bob', '2026-11-22T00:05:01Z'),
  ];
  expect(asText(messages)).toBe('[21]AbCd[22]EF');
});

test('what others said since all was read is marked once, and what one said oneself is nothing new', () => {
  const messages = [
    message('a', 'ada', '2026-11-22T10:00:00Z'),
    message('b', 'me', '2026-11-22T10:00:01Z'),
    message('c', 'ada', '2026-11-22T10:00:02Z'),
    message('d', 'ada', '2026-11-22T10:00:03Z'),
  ];
  expect(asText(messages, Date.parse('2026-11-22T10:00:00Z'))).toBe('[22]AB!Cd');
  expect(asText(messages, Date.parse('2026-11-22T10:00:03Z'))).toBe('[22]ABCd');
});

test('unread is what others said since', () => {
  const messages = [
    message('a', 'ada', '2026-11-22T10:00:00Z'),
    message('b', 'ada', '2026-11-22T10:00:01Z'),
    message('c', 'me', '2026-11-22T10:00:02Z'),
    message('d', 'bob', '2026-11-22T10:00:03Z'),
  ];
  expect(unreadAmong(messages, 'me', Date.parse('2026-11-22T10:00:00Z'))).toBe(2);
  expect(unreadAmong(messages, 'me', Date.parse('2026-11-22T10:00:03Z'))).toBe(0);
  expect(unreadAmong(messages, 'me', 0)).toBe(3);
});
