import { FluxError } from 'fluxwire';
import { useAction } from 'fluxwire/react';
import { actions } from './chat.ts';
import { addFailed } from './failed.ts';

/** A function that writes a message into a room: in sight at once, and still in sight if it is refused. */
export function usePost(room: string): (body: string) => void {
  const post = useAction(actions.post_message);
  return (body) => {
    post({ room, body }).catch((error: unknown) => {
      // Who signs out takes nothing along; who is sent to the door finds it again after signing in.
      if (!(error instanceof FluxError && error.code === 'closed')) addFailed(room, body, error);
    });
  };
}
