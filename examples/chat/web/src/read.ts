/** Until when each room was read, on this device. */
import { useMemo, useSyncExternalStore } from 'react';

type Read = Readonly<Record<string, number>>;

const key = (actor: string): string => `fluxwire-chat.read.${actor}`;
const NOTHING = '{}';
const listeners = new Set<() => void>();

/** Until when somebody has read, by room, in milliseconds since 1970; 0 where there was nothing to read. */
export function useRead(actor: string): Read {
  const text = useSyncExternalStore(subscribe, () => textOf(actor));
  return useMemo(() => JSON.parse(text) as Read, [text]);
}

/** Until when a room was read; `undefined` if it was never opened. */
export function readUntil(read: Read, room: string): number | undefined {
  // Own members only: a room may be called "constructor".
  return Object.hasOwn(read, room) ? read[room] : undefined;
}

export function markRead(actor: string, room: string, at: number): void {
  const read = JSON.parse(textOf(actor)) as Read;
  const before = readUntil(read, room);
  if (before !== undefined && at <= before) return;
  localStorage.setItem(key(actor), JSON.stringify({ ...read, [room]: at }));
  for (const listener of listeners) listener();
}

/** Who signs out leaves nothing on this device. */
export function forgetRead(actor: string): void {
  localStorage.removeItem(key(actor));
}

function textOf(actor: string): string {
  return localStorage.getItem(key(actor)) ?? NOTHING;
}

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  // What is read in another tab.
  window.addEventListener('storage', listener);
  return () => {
    listeners.delete(listener);
    window.removeEventListener('storage', listener);
  };
}
