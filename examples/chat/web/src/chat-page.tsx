import { useConnection } from 'fluxwire/react';
import { useEffect } from 'react';
import { Avatar } from './avatar.tsx';
import { ConnectionLine } from './connection-line.tsx';
import { Problems } from './problem.tsx';
import { RoomList } from './room-list.tsx';
import { RoomPage } from './room-page.tsx';
import { useRoute } from './route.ts';

interface Props {
  actor: string;
  /** Called with a reason for the user, if it is not the user's own wish. */
  onSignOut: (why?: string) => void;
}

/** The whole chat of somebody who is signed in. */
export function Chat({ actor, onSignOut }: Props) {
  const room = useRoute();
  const { state } = useConnection();
  useEffect(() => {
    if (state === 'signed out') onSignOut('Your sign-in has ended. Please sign in again.');
  });

  return (
    <Problems>
      <div className="chat" data-view={room === undefined ? 'rooms' : 'room'}>
        <div className="side">
          <header className="brand">
            <img src="/icon.svg" alt="" width="28" height="28" />
            {room === undefined ? <h1>Fluxwire chat</h1> : <strong>Fluxwire chat</strong>}
          </header>
          <RoomList current={room} actor={actor} />
          <footer className="me">
            <Avatar actor={actor} name={actor} />
            <div>
              <strong dir="auto">{actor}</strong>
              <ConnectionLine />
            </div>
            <button className="plain" onClick={() => onSignOut()}>
              Sign out
            </button>
          </footer>
        </div>
        {room === undefined ? (
          <main className="room nothing">
            <img src="/icon.svg" alt="" width="64" height="64" />
            <p className="quiet">Choose a room, or open a new one.</p>
          </main>
        ) : (
          <RoomPage key={room} room={room} actor={actor} />
        )}
      </div>
    </Problems>
  );
}
