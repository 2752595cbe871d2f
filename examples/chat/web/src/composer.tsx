import { useConnection, usePendingActions } from 'fluxwire/react';
import { useState } from 'react';
import type { FormEvent, KeyboardEvent } from 'react';
import { actions } from './chat.ts';
import { usePost } from './post.ts';

const MAX_LENGTH = 4000;

/** Where a message is written: Enter sends, Shift and Enter begins a new line. */
export function Composer({ room, title }: { room: string; title: string }) {
  const [draft, setDraft] = useState('');
  const post = usePost(room);

  const send = (event?: FormEvent) => {
    event?.preventDefault();
    const body = draft.trim();
    if (body === '') return;
    setDraft('');
    post(body);
  };
  const onKeyDown = (event: KeyboardEvent) => {
    // Enter also ends the input of Chinese, Japanese and Korean words.
    if (event.key !== 'Enter' || event.shiftKey || event.nativeEvent.isComposing) return;
    event.preventDefault();
    send();
  };

  return (
    <form className="composer" onSubmit={send}>
      <textarea
        aria-label={`Message to ${title}`}
        placeholder={`Message to ${title}`}
        value={draft}
        onChange={(event) => setDraft(event.target.value)}
        onKeyDown={onKeyDown}
        maxLength={MAX_LENGTH}
        rows={1}
        dir="auto"
        autoFocus
      />
      <button className="primary" disabled={draft.trim() === ''}>
        Send
      </button>
      <Waiting />
    </form>
  );
}

/** How many messages wait for a connection; they also wait through a reload. */
function Waiting() {
  const { state } = useConnection();
  const { name } = actions.post_message;
  const count = usePendingActions().filter((action) => action.name === name && action.stage === 'local').length;
  if (count === 0 || state === 'open') return null;
  return (
    <p className="waiting quiet" role="status">
      {count === 1 ? 'One message waits' : `${count} messages wait`} for the connection.
    </p>
  );
}
