/** What the chat shows of an action before the database has it. */
import { predict } from 'fluxwire';
import type { NamedPrediction } from 'fluxwire';
import { actions, stores } from './chat.ts';
import type { Message } from './chat.ts';

const UNSENT = 'unsent:';

/** Whether a message is only predicted. */
export function isUnsent({ id }: Message): boolean {
  return id.startsWith(UNSENT);
}

/** The predictions of somebody who is signed in; they also hold for what was written before a reload. */
export function predictionsOf(actor: string): NamedPrediction[] {
  return [
    predict(actions.post_message, (shown, { room, body }, { id, at }) => {
      shown.update(stores.room({ room }), (document) => {
        const message = { id: `${UNSENT}${id}`, author: actor, body, sent_at: notBefore(document.messages, at) };
        return { ...document, messages: { ...document.messages, [message.id]: message } };
      });
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

/** A time after all others, also where this clock is late: what is written last stands last. */
function notBefore(messages: Record<string, Message>, at: number): string {
  let newest = new Date(at).toISOString();
  for (const { sent_at } of Object.values(messages)) {
    if (Date.parse(sent_at) >= Date.parse(newest)) newest = sent_at;
  }
  return newest;
}
