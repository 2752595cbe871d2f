import { expect, test } from 'vitest';
import docs from '../../docs/client.md?raw';
import { makeConnection } from '../src/connection.ts';
import type { Connection, Event, State } from '../src/connection.ts';

const WELCOME = '{"type":"welcome","protocol":1,"actor":"ada","max_frame":65536,"heartbeat_ms":25000}';

/** The table of docs/client.md: the states that an event leads to, by state and event. */
function documented(): Record<string, Record<string, string[]>> {
  const rows = docs.slice(docs.indexOf('| | `connect`')).split('\n\n')[0]?.split('\n') ?? [];
  const cells = rows.map((row) => row.split('|').slice(1, -1).map((cell) => cell.trim()));
  const events = (cells[0] ?? []).slice(1).map((cell) => cell.replaceAll('`', ''));
  return Object.fromEntries(
    cells.slice(2).map(([state = '', ...found]) => [
      state,
      Object.fromEntries(events.map((event, at) => [event, found[at] === '–' ? [] : (found[at] ?? '').split(', ').sort()])),
    ]),
  );
}

/** Everything that can happen, in every way that matters. */
function all(attempt: number): Event[] {
  const closed = (code: number, reason = ''): Event => ({ type: 'closed', attempt, code, reason });
  const message = (text: string): Event => ({ type: 'message', attempt, text });
  return [
    { type: 'connect' },
    { type: 'disconnect' },
    { type: 'wake' },
    { type: 'token', attempt, token: 'a.b.c', goodFor: 60_000 },
    { type: 'no token', attempt },
    { type: 'opened', attempt },
    message(WELCOME),
    message(WELCOME.replace('"protocol":1', '"protocol":2')),
    message(WELCOME.replace('ada', 'bob')),
    message('{"type":"pong"}'),
    message('{"type":"weather"}'),
    message('{'),
    closed(1006),
    closed(1012, 'come back in 50 ms'),
    closed(4001),
    closed(4101),
    { type: 'timer' },
  ];
}

/** A connection after some events, each at the time at which it is due. */
function after(path: readonly number[], renewable: boolean): { at: Connection; next: Event[]; now: number } {
  const at = makeConnection({ client: () => '0b5e', actor: 'ada', renewable, random: () => 1 });
  let attempt = 0;
  let now = 0;
  for (const index of path) {
    if (at.deadline < Infinity) now = at.deadline;
    for (const effect of at.take(all(attempt)[index] as Event, now)) {
      if (effect.type === 'authorise') attempt = effect.attempt;
    }
  }
  return { at, next: all(attempt), now: at.deadline < Infinity ? at.deadline : now };
}

test('every event leads from every state to where docs/client.md says', () => {
  const found: Record<string, Record<string, Set<string>>> = {};
  const seen = new Set<string>();
  const paths: (readonly number[])[] = [[]];
  for (const path of paths) {
    for (const renewable of [true, false]) {
      for (const [index, event] of after(path, renewable).next.entries()) {
        const { at, now } = after(path, renewable);
        const before: State = at.state;
        const marks = `${at.deadline} ${String(at.ending?.code)}`;
        const effects = at.take(event, now);
        const row = (found[before] ??= {});
        const ends = (row[event.type] ??= new Set());
        // Ignored: nothing is done, nothing is another way.
        if (effects.length > 0 || at.state !== before || `${at.deadline} ${String(at.ending?.code)}` !== marks) ends.add(at.state);
        const key = `${renewable} ${before} ${event.type} ${at.state} ${String(at.ending?.reason)}`;
        if (seen.has(key) || path.length > 7) continue;
        seen.add(key);
        paths.push([...path, index]);
      }
    }
  }
  const table = Object.entries(found).map(([state, row]) => [
    state,
    Object.fromEntries(Object.entries(row).map(([event, ends]) => [event, [...ends].sort()])),
  ]);
  expect(Object.fromEntries(table)).toEqual(documented());
});
