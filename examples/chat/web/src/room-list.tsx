import { useAction, useStore } from 'fluxwire/react';
import { useState } from 'react';
import type { FormEvent } from 'react';
import { actions, stores } from './chat.ts';
import type { RoomInfo } from './chat.ts';
import { useReport } from './problem.tsx';
import { readUntil, useRead } from './read.ts';
import { addressOf } from './route.ts';
import { Unread, watched } from './unread.tsx';

/** Every room there is, and the way to a new one. */
export function RoomList({ current, actor }: { current: string | undefined; actor: string }) {
  const { status, data, error } = useStore(stores.rooms({}));
  const read = useRead(actor);
  const looked = watched(read);
  const [filter, setFilter] = useState('');
  const all = Object.values(data?.rooms ?? {}).sort((a, b) => a.title.localeCompare(b.title));
  const shown = all.filter((one) => matches(one, filter));

  return (
    <nav className="rooms" aria-label="Rooms">
      <input
        type="search"
        aria-label="Find a room"
        placeholder="Find a room"
        value={filter}
        onChange={(event) => setFilter(event.target.value)}
      />
      <ul>
        {shown.map(({ room, title }) => (
          <li key={room}>
            <a href={addressOf(room)} aria-current={room === current ? 'page' : undefined}>
              <span className="hash" aria-hidden="true">
                #
              </span>
              <span className="room-title" dir="auto">
                {title}
              </span>
              {room !== current && looked.has(room) && <Unread room={room} actor={actor} read={readUntil(read, room) ?? 0} />}
            </a>
          </li>
        ))}
      </ul>
      {status === 'pending' && <p className="quiet pad">Loading…</p>}
      {status === 'error' && <p className="problem pad">{error?.message}</p>}
      {data && all.length === 0 && <p className="quiet pad">No room yet. Open the first one below.</p>}
      {data && all.length > 0 && shown.length === 0 && <p className="quiet pad">No room of that name.</p>}
      <NewRoom />
    </nav>
  );
}

function NewRoom() {
  const [title, setTitle] = useState('');
  const create = useAction(actions.create_room);
  const join = useAction(actions.join_room);
  const report = useReport();

  const submit = (event: FormEvent) => {
    event.preventDefault();
    const room = idFor(title);
    // Both leave at once: actions take effect in the order in which they were brought.
    Promise.all([create({ room, title: title.trim() }), join({ room })]).then(() => {
      window.location.hash = addressOf(room);
    }, report);
    setTitle('');
  };

  return (
    <form className="new-room" onSubmit={submit}>
      <input
        aria-label="Title of a new room"
        placeholder="New room"
        value={title}
        onChange={(event) => setTitle(event.target.value)}
        maxLength={80}
      />
      <button className="primary small" disabled={idFor(title) === ''}>
        Create
      </button>
    </form>
  );
}

/** A room's id: its title in small letters and digits of any script, joined by hyphens. */
function idFor(title: string): string {
  return title
    .toLowerCase()
    .split(/[^\p{L}\p{M}\p{N}]+/u)
    .filter((word) => word !== '')
    .join('-');
}

function matches({ room, title }: RoomInfo, filter: string): boolean {
  const wanted = filter.trim().toLowerCase();
  return title.toLowerCase().includes(wanted) || room.includes(wanted);
}
