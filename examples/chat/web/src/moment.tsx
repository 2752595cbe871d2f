/** Times as people say them: how long ago, then at what time. */
import { useSyncExternalStore } from 'react';

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;

const relative = new Intl.RelativeTimeFormat(undefined, { numeric: 'auto', style: 'short' });
const clock = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit' });
const full = new Intl.DateTimeFormat(undefined, { dateStyle: 'full', timeStyle: 'medium' });
const weekday = new Intl.DateTimeFormat(undefined, { dateStyle: 'full' });

/** When something was said. */
export function Moment({ at }: { at: string }) {
  const minute = useMinute();
  const date = new Date(at);
  return (
    <time dateTime={at} title={full.format(date)}>
      {said(date.getTime(), Math.max(minute * MINUTE_MS, date.getTime()))}
    </time>
  );
}

/** The title of a day's messages. */
export function dayName(date: Date): string {
  const today = new Date();
  if (date.toDateString() === today.toDateString()) return 'Today';
  today.setDate(today.getDate() - 1);
  if (date.toDateString() === today.toDateString()) return 'Yesterday';
  return weekday.format(date);
}

function said(at: number, now: number): string {
  const ago = now - at;
  if (ago < MINUTE_MS) return 'just now';
  if (ago < HOUR_MS) return relative.format(-Math.floor(ago / MINUTE_MS), 'minute');
  return clock.format(at);
}

/** The minute it is; one timer for all who ask. */
function useMinute(): number {
  return useSyncExternalStore(subscribe, () => minute);
}

const now = (): number => Math.floor(Date.now() / MINUTE_MS);
let minute = now();
let timer: ReturnType<typeof setInterval> | undefined;
const listeners = new Set<() => void>();

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  timer ??= setInterval(tick, MINUTE_MS);
  return () => {
    listeners.delete(listener);
    if (listeners.size > 0) return;
    clearInterval(timer);
    timer = undefined;
  };
}

function tick(): void {
  minute = now();
  for (const each of listeners) each();
}
