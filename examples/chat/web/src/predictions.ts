/** What the chat shows of an action before the database has it. */
import { predict } from 'fluxwire';
import type { NamedPrediction } from 'fluxwire';
import { actions, stores } from './chat.ts';
import type { Message } from './chat.ts';
import { inOrder, timeOf } from './timeline.ts';

const UNSENT = 'unsent:';

/** Whether a message is only predicted. */
export function isUnsent({ id }: Message): boolean {
  return id.startsWith(UNSENT);
}

/** The predictions of somebody who is signed in; they also hold for what was written before a reload. */
export function predictionsOf(actor: string): NamedPrediction[] {
  return [
    predict(actions.post_message, (shown, { room, body }, { id, at }) => {
      const document = shown.get(stores.room({ room }));
      if (document === undefined) return;
      const message = { id: `${UNSENT}${id}`, author: actor, body, sent_at: after(inOrder(document).at(-1), at) };
      shown.patch(stores.room({ room }), [{ op: 'add', path: `/messages/${message.id}`, value: message }]);
    }),
    predict(actions.rename_room, (shown, { room, title }) => {
      shown.update(stores.room({ room }), (document) => {
        return document.room === undefined ? document : { ...document, room: { ...document.room, title } };
      });
    }),
    predict(actions.rename_member, (shown, { room, name }) => {
      shown.update(stores.room({ room }), (document) => {
        // Own members only: an actor may be called "constructor".
        const member = Object.hasOwn(document.members, actor) ? document.members[actor] : undefined;
        if (member === undefined) return document;
        return { ...document, members: { ...document.members, [actor]: { ...member, name } } };
      });
    }),
  ];
}

/** A time after the last message's, also where this clock is late: what is written last stands last. */
function after(last: Message | undefined, at: number): string {
  return new Date(last === undefined ? at : Math.max(at, timeOf(last) + 1)).toISOString();
}
