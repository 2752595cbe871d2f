import { FluxError } from 'fluxwire';
import { useAction } from 'fluxwire/react';
import { actions } from './chat.ts';
import { useReport } from './problem.tsx';

/** A function that writes a message into a room: in sight at once, and still in sight if it is refused. */
export function usePost(room: string): (body: string) => void {
  const post = useAction(actions.post_message);
  const report = useReport();
  return (body) => {
    post({ room, body }).catch((error: unknown) => {
      // What the database refuses stays on the device; this never came so far.
      if (error instanceof FluxError && error.code === 'queue_full') report(error);
    });
  };
}
