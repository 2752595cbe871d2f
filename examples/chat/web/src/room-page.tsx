import { useAction, useStore } from 'fluxwire/react';
import { useEffect, useState } from 'react';
import { actions, stores } from './chat.ts';
import { Composer } from './composer.tsx';
import { Editable } from './editable.tsx';
import { MemberList } from './member-list.tsx';
import { MessageList } from './message-list.tsx';
import { Offline } from './offline.tsx';
import { useReport } from './problem.tsx';
import { addressOf } from './route.ts';

/** One room: what is said in it, by whom, and where to say more. */
export function RoomPage({ room, actor }: { room: string; actor: string }) {
  const { status, data, error } = useStore(stores.room({ room }));
  const join = useAction(actions.join_room);
  const rename = useAction(actions.rename_room);
  const report = useReport();
  const [membersOpen, setMembersOpen] = useState(false);
  const title = data?.room?.title ?? room;

  useEffect(() => {
    document.title = `${title} · Fluxwire chat`;
    return () => {
      document.title = 'Fluxwire chat';
    };
  }, [title]);

  const back = (
    <a className="back" href={addressOf()} aria-label="All rooms">
      ←
    </a>
  );
  if (data?.room === undefined) {
    return (
      <main className="room nothing">
        {back}
        {status === 'pending' && <p className="quiet">Loading…</p>}
        {status === 'error' && <p className="problem">{error?.message}</p>}
        {data && <p className="quiet">There is no room “{room}”.</p>}
      </main>
    );
  }
  const { members } = data;
  const count = Object.keys(members).length;
  const inside = Object.hasOwn(members, actor);

  return (
    <main className="room" aria-busy={status === 'stale'}>
      <header className="room-header">
        {back}
        <Editable
          value={title}
          label="Rename this room"
          maxLength={120}
          disabled={!inside}
          onSave={(next) => void rename({ room, title: next }).catch(report)}
        >
          <h1 dir="auto">{title}</h1>
        </Editable>
        <button
          className="plain members-button"
          aria-expanded={membersOpen}
          onClick={() => setMembersOpen(!membersOpen)}
        >
          {count === 1 ? '1 member' : `${count} members`}
        </button>
      </header>
      <Offline />
      <MessageList room={room} actor={actor} title={title} members={members} />
      {inside ? (
        <Composer room={room} title={title} />
      ) : (
        <div className="composer join">
          <button className="primary" onClick={() => void join({ room }).catch(report)}>
            Join {title}
          </button>
        </div>
      )}
      <MemberList open={membersOpen} room={room} actor={actor} members={members} />
    </main>
  );
}
