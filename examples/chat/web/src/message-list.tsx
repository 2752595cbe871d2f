import { memo, useLayoutEffect, useRef, useState } from 'react';
import { Avatar, hue } from './avatar.tsx';
import type { Member, Message } from './chat.ts';
import { removeFailed, useFailed } from './failed.ts';
import type { FailedMessage } from './failed.ts';
import { pieces } from './markup.ts';
import type { Piece } from './markup.ts';
import { usePost } from './post.ts';
import { isUnsent } from './predictions.ts';
import { byDay, inOrder } from './timeline.ts';
import type { Group } from './timeline.ts';

interface Props {
  room: string;
  /** Who is reading. */
  actor: string;
  title: string;
  messages: Record<string, Message>;
  members: Record<string, Member>;
}

/** How far from the end still counts as reading the newest, in pixels. */
const NEAR_END = 80;

/** The messages of a room; stays at the newest unless the reader has gone back. */
export function MessageList({ room, actor, title, messages, members }: Props) {
  const list = useRef<HTMLDivElement>(null);
  const atEnd = useRef(true);
  const [unread, setUnread] = useState(false);
  const ordered = inOrder(messages);
  const newest = ordered.at(-1);
  const failed = useFailed().filter((one) => one.room === room);

  const toEnd = () => list.current?.scrollTo({ top: list.current.scrollHeight });
  useLayoutEffect(() => {
    // What one says oneself is always looked at.
    if (atEnd.current || newest?.author === actor) toEnd();
    else setUnread(true);
  }, [newest?.id, failed.length]);
  const onScroll = () => {
    const { scrollTop, scrollHeight, clientHeight } = list.current as HTMLDivElement;
    atEnd.current = scrollHeight - scrollTop - clientHeight < NEAR_END;
    if (atEnd.current) setUnread(false);
  };

  return (
    <div className="messages-frame">
      <div
        className="messages"
        role="log"
        aria-label={`Messages in ${title}`}
        tabIndex={0}
        ref={list}
        onScroll={onScroll}
      >
        {ordered.length + failed.length === 0 && <p className="empty quiet">Nothing has been said here yet.</p>}
        {byDay(ordered).map((day) => (
          <section key={day.date.toDateString()} aria-label={dayName(day.date)}>
            <h3 className="day">
              <span>{dayName(day.date)}</span>
            </h3>
            {day.groups.map((group) => (
              <GroupView key={group.messages[0]?.id} group={group} name={nameOf(group.author, members)} />
            ))}
          </section>
        ))}
        {failed.map((one) => (
          <Failed key={one.id} message={one} />
        ))}
      </div>
      {unread && (
        <button className="primary small unread" onClick={toEnd}>
          New messages ↓
        </button>
      )}
    </div>
  );
}

function GroupView({ group: { author, messages }, name }: { group: Group; name: string }) {
  return (
    <article className="group" aria-label={`${name}:`}>
      <Avatar actor={author} name={name} />
      <div className="said">
        <header>
          <strong className="author" dir="auto" style={{ '--hue': hue(author) } as object}>
            {name}
          </strong>
          <Time at={messages[0]?.sent_at ?? ''} />
        </header>
        {messages.map((message) => (
          <Body key={message.id} message={message} />
        ))}
      </div>
    </article>
  );
}

// Patches keep what they do not touch: a message that is the same object looks the same.
const Body = memo(function Body({ message }: { message: Message }) {
  const { body, sent_at } = message;
  const unsent = isUnsent(message);
  return (
    <div
      className="body"
      dir="auto"
      data-unsent={unsent || undefined}
      title={unsent ? 'On its way' : new Date(sent_at).toLocaleString()}
    >
      {pieces(body).map((piece, index) => (
        <PieceView key={index} piece={piece} />
      ))}
    </div>
  );
});

/** A message that was refused, why, and what can be done about it. */
function Failed({ message: { id, room, body, why } }: { message: FailedMessage }) {
  const post = usePost(room);
  const retry = () => {
    removeFailed(id);
    post(body);
  };
  return (
    <article className="failed" aria-label="Not sent:">
      <div className="body" dir="auto">
        {body}
      </div>
      <p className="problem">
        {why}
        <button className="plain" onClick={retry}>
          Try again
        </button>
        <button className="plain" onClick={() => removeFailed(id)}>
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

function Time({ at }: { at: string }) {
  const date = new Date(at);
  return <time dateTime={at}>{date.toLocaleTimeString([], { hour: '2-digit', minute: '2-digit' })}</time>;
}

function dayName(date: Date): string {
  const today = new Date();
  if (date.toDateString() === today.toDateString()) return 'Today';
  today.setDate(today.getDate() - 1);
  if (date.toDateString() === today.toDateString()) return 'Yesterday';
  return date.toLocaleDateString([], { weekday: 'long', day: 'numeric', month: 'long', year: 'numeric' });
}

function nameOf(actor: string, members: Record<string, Member>): string {
  // Own members only: an actor may be called "constructor".
  return Object.hasOwn(members, actor) ? (members[actor]?.name ?? actor) : actor;
}
