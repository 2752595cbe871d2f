/** Messages that the database has refused: they stay in sight until they are tried again or given up. */
import type { PendingAction } from 'fluxwire';
import { useSyncExternalStore } from 'react';
import { actions } from './chat.ts';
import { sentence } from './sentence.ts';

export interface FailedMessage {
  /** Its own, in this tab. */
  readonly id: number;
  readonly room: string;
  readonly body: string;
  /** Why, for the reader. */
  readonly why: string;
}

const KEY = 'fluxwire-chat.failed';

// They outlive a reload of this tab.
let all: readonly FailedMessage[] = JSON.parse(sessionStorage.getItem(KEY) ?? '[]') as FailedMessage[];
let lastId = Math.max(0, ...all.map(({ id }) => id));
const listeners = new Set<() => void>();

function change(next: readonly FailedMessage[]): void {
  all = next;
  sessionStorage.setItem(KEY, JSON.stringify(next));
  for (const listener of listeners) listener();
}

export function addFailed(room: string, body: string, error: unknown): void {
  change([...all, { id: (lastId += 1), room, body, why: sentence(error) }]);
}

/** For {@link ClientOptions.onLateError}: a message of before a reload was refused. */
export function addLate(error: unknown, { name, params }: PendingAction): void {
  const { room, body } = params;
  if (name === actions.post_message.name) addFailed(String(room), String(body), error);
}

export function removeFailed(id: number): void {
  change(all.filter((one) => one.id !== id));
}

/** After a sign-out they are nobody's business any more. */
export function forgetFailed(): void {
  change([]);
}

/** The failed messages of all rooms, the oldest first. */
export function useFailed(): readonly FailedMessage[] {
  return useSyncExternalStore(subscribe, () => all);
}

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}
