import { useAction, useConnection } from 'fluxwire/react';
import { useState } from 'react';
import type { FormEvent, KeyboardEvent } from 'react';
import { actions } from './chat.ts';
import { useReport } from './problem.tsx';

const MAX_LENGTH = 4000;

/** Where a message is written: Enter sends, Shift and Enter begins a new line. */
export function Composer({ room, title }: { room: string; title: string }) {
  const [draft, setDraft] = useState('');
  const [unsent, setUnsent] = useState(0);
  const post = useAction(actions.post_message);
  const report = useReport();
  const { state } = useConnection();

  const send = (event?: FormEvent) => {
    event?.preventDefault();
    const body = draft.trim();
    if (body === '') return;
    setDraft('');
    setUnsent((count) => count + 1);
    post({ room, body })
      .catch((error: unknown) => {
        report(error);
        // Nothing written is lost, unless something new was begun meanwhile.
        setDraft((current) => (current === '' ? body : current));
      })
      .finally(() => setUnsent((count) => count - 1));
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
      {unsent > 0 && state !== 'open' && (
        <p className="unsent quiet" role="status">
          {unsent === 1 ? 'One message waits' : `${unsent} messages wait`} for the connection.
        </p>
      )}
    </form>
  );
}
