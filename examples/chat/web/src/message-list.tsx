import { useVirtualizer } from '@tanstack/react-virtual';
import { useConnection, usePagedStore } from 'fluxwire/react';
import { memo, useEffect, useMemo, useRef, useState } from 'react';
import { Avatar, hue } from './avatar.tsx';
import { stores } from './chat.ts';
import type { Member, Message } from './chat.ts';
import { useFailed } from './device.ts';
import type { FailedMessage } from './device.ts';
import { pieces } from './markup.ts';
import type { Piece } from './markup.ts';
import { dayName, Moment } from './moment.tsx';
import { usePost } from './post.ts';
import { isUnsent } from './predictions.ts';
import { markRead, readUntil, useRead } from './read.ts';
import { inOrder, itemsOf, timeOf, unreadAmong } from './timeline.ts';
import type { Item } from './timeline.ts';
import { useVisible } from './visible.ts';

interface Props {
  room: string;
  /** Who is reading. */
  actor: string;
  title: string;
  members: Record<string, Member>;
}

/** A row's height before it is measured, in pixels. */
const USUAL_HEIGHT = 44;

/** How far from the end still counts as reading the newest, in pixels. */
const NEAR_END = 80;

/** Earlier messages are asked for when so few items are left above. */
const NEAR_BEGINNING = 5;

/** The messages of a room: the newest first, and back to the beginning for who scrolls there. */
export function MessageList({ room, actor, title, members }: Props) {
  const list = useRef<HTMLDivElement>(null);
  const { rows, status, earlier, loadEarlier } = usePagedStore({
    newest: stores.room({ room }),
    page: ({ sent_at, id }: Message, direction) => {
      return stores.history({ room, sent_at, id, later: direction === 'later' });
    },
    rows: inOrder,
    key: (message) => message.id,
    cursor: (message) => (isUnsent(message) ? undefined : message),
  });
  const { failed, dismiss } = useFailed(room);
  // What was new when the room was opened stays marked, until one answers.
  const marks = useRead(actor);
  const [read, setRead] = useState(() => readUntil(marks, room));
  const arrived = useRef(false);
  const visible = useVisible();
  const items = useMemo(() => itemsOf(rows, actor, read), [rows, actor, read]);
  const count = items.length + failed.length;

  const virtual = useVirtualizer({
    count,
    getScrollElement: () => list.current,
    estimateSize: () => USUAL_HEIGHT,
    // The first thing that is shown is the end.
    initialRect: { width: 0, height: window.innerHeight },
    initialOffset: () => count * USUAL_HEIGHT,
    getItemKey: (index) => items[index]?.key ?? `failed ${failed[index - items.length]?.id}`,
    anchorTo: 'end',
    followOnAppend: true,
    scrollEndThreshold: NEAR_END,
    overscan: 12,
    paddingStart: 8,
    paddingEnd: 16,
  });
  const shown = virtual.getVirtualItems();
  const newest = rows.at(-1);
  // What is only predicted has the time of this device, which may be early.
  const sent = rows.findLast((one) => !isUnsent(one));
  const atEnd = virtual.isAtEnd(NEAR_END);

  const toEnd = () => virtual.scrollToEnd();
  useEffect(() => {
    // What one says oneself is always looked at, and so is a room that is opened.
    if (newest?.author === actor || !arrived.current) toEnd();
    if (newest?.author === actor) setRead(undefined);
  }, [newest?.id, failed.length]);
  useEffect(() => {
    if (status === 'pending' || !atEnd || !visible) return;
    arrived.current ||= sent !== undefined;
    markRead(actor, room, sent === undefined ? 0 : timeOf(sent));
  }, [sent, status, atEnd, visible]);
  const first = shown[0]?.index ?? 0;
  useEffect(() => {
    if (status !== 'pending' && first < NEAR_BEGINNING) loadEarlier();
  }, [first, status, earlier]);

  const unread = atEnd || !arrived.current ? 0 : unreadAmong(rows, actor, readUntil(marks, room) ?? 0);

  return (
    <div className="messages-frame">
      <div className="messages" role="log" aria-label={`Messages in ${title}`} aria-busy={earlier === 'loading'} tabIndex={0} ref={list}>
        {count === 0 && <p className="empty quiet">Nothing has been said here yet.</p>}
        {earlier === 'loading' && count > 0 && <p className="loading quiet">Loading earlier messages…</p>}
        <div className="virtual" style={{ height: virtual.getTotalSize() }}>
          {shown.map(({ key, index, start }) => {
            const item = items[index];
            const lost = failed[index - items.length];
            return (
              <div
                key={key}
                data-index={index}
                ref={virtual.measureElement}
                className="row"
                style={{ transform: `translateY(${start}px)` }}
              >
                {item && <ItemView item={item} members={members} />}
                {lost && <Failed message={lost} onDismiss={() => dismiss(lost.id)} />}
              </div>
            );
          })}
        </div>
      </div>
      {unread > 0 && (
        <button className="primary small unread" onClick={toEnd}>
          {unread === 1 ? '1 new message' : `${unread} new messages`} ↓
        </button>
      )}
    </div>
  );
}

function ItemView({ item, members }: { item: Item; members: Record<string, Member> }) {
  if (item.type === 'day') {
    return (
      <h2 className="day">
        <span>{dayName(item.date)}</span>
      </h2>
    );
  }
  if (item.type === 'new') {
    return (
      <p className="day new">
        <span>New</span>
      </p>
    );
  }
  const { message, first } = item;
  return <Said message={message} first={first} name={nameOf(message.author, members)} />;
}

// Patches keep what they do not touch: a message that is the same object looks the same.
const Said = memo(function Said({ message, first, name }: { message: Message; first: boolean; name: string }) {
  const { author, body, sent_at } = message;
  const unsent = isUnsent(message);
  return (
    <article className="group" data-first={first || undefined} aria-label={`${name}:`}>
      {first ? <Avatar actor={author} name={name} /> : <span className="gutter" />}
      <div className="said">
        {first && (
          <header>
            <strong className="author" dir="auto" title={name} style={{ '--hue': hue(author) } as object}>
              {name}
            </strong>
            <Moment at={sent_at} />
          </header>
        )}
        <div
          className="body"
          dir="auto"
          data-unsent={unsent || undefined}
          title={unsent ? undefined : new Date(sent_at).toLocaleString()}
        >
          {pieces(body).map((piece, index) => (
            <PieceView key={index} piece={piece} />
          ))}
        </div>
        {unsent && <Unsent />}
      </div>
    </article>
  );
});

/** Where a message is that the database does not have yet. */
function Unsent() {
  const { state } = useConnection();
  return <p className="delivery">{state === 'open' ? 'Sending…' : 'Waits for the connection'}</p>;
}

/** A message that was refused, why, and what can be done about it. */
function Failed({ message: { room, body, why }, onDismiss }: { message: FailedMessage; onDismiss: () => void }) {
  const post = usePost(room);
  const retry = () => {
    onDismiss();
    post(body);
  };
  return (
    <article className="failed" aria-label="Not sent:">
      <div className="body" dir="auto">
        {body}
      </div>
      <p className="problem">
        <span>Not sent. {why}</span>
        <button className="plain" onClick={retry}>
          Try again
        </button>
        <button className="plain" onClick={onDismiss}>
          Discard
        </button>
      </p>
    </article>
  );
}

function PieceView({ piece: { type, text } }: { piece: Piece }) {
  if (type === 'code') return <code>{text}</code>;
  if (type === 'block') {
    return (
      <pre dir="ltr" tabIndex={0}>
        {text}
      </pre>
    );
  }
  if (type === 'link') {
    return (
      <a href={text} target="_blank" rel="noreferrer">
        {text}
      </a>
    );
  }
  return text;
}

function nameOf(actor: string, members: Record<string, Member>): string {
  // Own members only: an actor may be called "constructor".
  return Object.hasOwn(members, actor) ? (members[actor]?.name ?? actor) : actor;
}
