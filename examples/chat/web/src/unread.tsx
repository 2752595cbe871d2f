/** How many messages came into a room since it was read last. */
import { useStore } from 'fluxwire/react';
import { useCallback } from 'react';
import { stores } from './chat.ts';
import type { Documents } from './generated.ts';
import { inOrder, unreadAmong } from './timeline.ts';

/** Most rooms that are watched for messages; of a room that is, each message comes here whether it is open or not. */
const MOST = 10;

/** The window of a room's newest messages ends here. */
const WINDOW = 100;

/** The rooms that are watched, of those that somebody has read: the most recent ones. */
export function watched(read: Readonly<Record<string, number>>): ReadonlySet<string> {
  const rooms = Object.entries(read).sort(([, a], [, b]) => b - a);
  return new Set(rooms.slice(0, MOST).map(([room]) => room));
}

/** A room's unread messages as a number; nothing if there are none. */
export function Unread({ room, actor, read }: { room: string; actor: string; read: number }) {
  const select = useCallback((document: Documents['room']) => unreadAmong(inOrder(document), actor, read), [actor, read]);
  const { data: count = 0 } = useStore(stores.room({ room }), { select });
  if (count === 0) return null;
  return (
    <span className="badge">
      {count < WINDOW ? count : `${WINDOW - 1}+`}
      <span className="unseen"> unread</span>
    </span>
  );
}
