/** How messages are laid out: in order, under their days, and by author. */
import { ordered } from 'fluxwire/ordered';
import type { Message } from './chat.ts';

interface Messages {
  messages: Record<string, Message>;
}

/** What stands in the list. */
export type Item =
  | { readonly type: 'day'; readonly key: string; readonly date: Date }
  | { readonly type: 'new'; readonly key: string }
  | { readonly type: 'message'; readonly key: string; readonly message: Message; readonly first: boolean };

/** Longer silence names the author anew, in milliseconds. */
const PAUSE_MS = 5 * 60_000;

/** Messages as they are read: by time, and by id where the time is the same. */
export const inOrder = ordered<Messages, 'messages'>('messages', (a, b) => {
  return Date.parse(a.sent_at) - Date.parse(b.sent_at) || compare(a.sent_at, b.sent_at) || compare(a.id, b.id);
});

/**
 * The list of messages in order, each day named once.
 *
 * @param read - Until when all was read before; what others said since is new.
 */
export function itemsOf(messages: readonly Message[], actor: string, read?: number): Item[] {
  const items: Item[] = [];
  let before: { at: number; day: string; author: string } | undefined;
  let marked = false;
  for (const message of messages) {
    const { at, day } = when(message);
    const { author, id } = message;
    let first = before === undefined || before.author !== author || at - before.at >= PAUSE_MS;
    if (day !== before?.day) {
      items.push({ type: 'day', key: day, date: new Date(at) });
      first = true;
    }
    if (!marked && read !== undefined && at > read && author !== actor) {
      items.push({ type: 'new', key: 'new' });
      first = marked = true;
    }
    items.push({ type: 'message', key: id, message, first });
    before = { at, day, author };
  }
  return items;
}

/** How many messages others have sent since all was read. */
export function unreadAmong(messages: readonly Message[], actor: string, read: number): number {
  let count = 0;
  for (let index = messages.length - 1; index >= 0; index -= 1) {
    const message = messages[index] as Message;
    if (timeOf(message) <= read) break;
    if (message.author !== actor) count += 1;
  }
  return count;
}

/** When it was sent, in milliseconds since 1970. */
export function timeOf(message: Message): number {
  return when(message).at;
}

const times = new WeakMap<Message, { at: number; day: string }>();

/** Dates are slow to read, and messages stay the same objects. */
function when(message: Message): { at: number; day: string } {
  let known = times.get(message);
  if (known === undefined) {
    const date = new Date(message.sent_at);
    known = { at: date.getTime(), day: date.toDateString() };
    times.set(message, known);
  }
  return known;
}

// Not localeCompare: the order has to be the same for everybody.
function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
