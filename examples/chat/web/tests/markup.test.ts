import { expect, test } from 'vitest';
import { pieces } from '../src/markup.ts';

test.each([
  ['words', ['text:words']],
  ['run `ls -l` now', ['text:run ', 'code:ls -l', 'text: now']],
  ['see:\n```\na\nb\n```\nso', ['text:see:\n', 'block:a\nb', 'text:so']],
  ['(https://example.org/a?b=c).', ['text:(', 'link:https://example.org/a?b=c', 'text:).']],
  ['http://a.example, http://b.example', ['link:http://a.example', 'text:, ', 'link:http://b.example']],
  ['javascript:alert(1) <b>', ['text:javascript:alert(1) <b>']],
  ['`not closed', ['text:`not closed']],
  ['', []],
])('%j', (body, expected) => {
  expect(pieces(body).map(({ type, text }) => `${type}:${text}`)).toEqual(expected);
});
