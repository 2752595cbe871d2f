import { useSyncExternalStore } from 'react';

/** The room that the address names after `#`, if any. */
export function useRoute(): string | undefined {
  return useSyncExternalStore(listen, current);
}

/** The address of a room, or of no room. */
export function addressOf(room?: string): string {
  return room === undefined ? '#' : `#${encodeURIComponent(room)}`;
}

function listen(changed: () => void): () => void {
  window.addEventListener('hashchange', changed);
  return () => window.removeEventListener('hashchange', changed);
}

function current(): string | undefined {
  const text = window.location.hash.slice(1);
  try {
    return text === '' ? undefined : decodeURIComponent(text);
  } catch {
    // A stray "%" typed by hand.
    return text;
  }
}
