/** How messages are laid out: in order, by day, and by author. */
import type { Message } from './chat.ts';

/** Messages of one author that follow each other closely. */
export interface Group {
  author: string;
  messages: Message[];
}

/** The groups of one day. */
export interface Day {
  date: Date;
  groups: Group[];
}

/** Longer silence begins a new group, in milliseconds. */
const PAUSE_MS = 5 * 60_000;

/** Messages as they are read: by time, and by id where the time is the same. */
export function inOrder(messages: Record<string, Message>): Message[] {
  return Object.values(messages).sort(
    (a, b) =>
      Date.parse(a.sent_at) - Date.parse(b.sent_at) || compare(a.sent_at, b.sent_at) || compare(a.id, b.id),
  );
}

/** Days of groups; `messages` are in order. */
export function byDay(messages: readonly Message[]): Day[] {
  const days: Day[] = [];
  let previous: Date | undefined;
  for (const message of messages) {
    const sent = new Date(message.sent_at);
    let day = days.at(-1);
    if (day === undefined || day.date.toDateString() !== sent.toDateString()) {
      day = { date: sent, groups: [] };
      days.push(day);
      previous = undefined;
    }
    const group = day.groups.at(-1);
    const close = previous !== undefined && sent.getTime() - previous.getTime() < PAUSE_MS;
    if (group !== undefined && close && group.author === message.author) group.messages.push(message);
    else day.groups.push({ author: message.author, messages: [message] });
    previous = sent;
  }
  return days;
}

// Not localeCompare: the order has to be the same for everybody.
function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
