import { expect, test } from 'vitest';
import protocol from '../../docs/protocol.md?raw';
import { adviceFor } from '../src/codes.ts';
import type { Advice } from '../src/codes.ts';

/** The rows of the table "Close codes": codes and what a client does. */
function documented(): Record<number, Advice> {
  const section = protocol.slice(protocol.indexOf('### Close codes'));
  const rows = [...section.matchAll(/^\| ([\d, ]+) \|[^|]*\|([^|]*)\|$/gm)];
  return Object.fromEntries(
    rows.flatMap(([, codes = '', action = '']) =>
      codes.split(',').map((code) => [Number(code), advice(action.trim())] as const),
    ),
  );
}

function advice(action: string): Advice {
  if (action.startsWith('comes back')) return 'come back';
  if (action.startsWith('signs in')) return 'sign in';
  if (action.startsWith('stops')) return 'stop';
  throw new Error(`the protocol says "${action}"`);
}

test('the close codes are those of docs/protocol.md', () => {
  const table = documented();
  expect(Object.keys(table)).not.toHaveLength(0);
  expect(Object.fromEntries(Object.keys(table).map((code) => [code, adviceFor(Number(code))]))).toEqual(table);
});

test('an unknown code is judged by its range', () => {
  expect(adviceFor(4099)).toBe('stop');
  expect(adviceFor(4199)).toBe('sign in');
  expect(adviceFor(4299)).toBe('come back');
  expect(adviceFor(1013)).toBe('come back');
});
