import { createClient, defineAction, defineStore } from 'fluxwire';
import { FluxProvider, useAction, useStore } from 'fluxwire/react';

interface Room {
  messages: Record<string, { body: string }>;
}

const room = defineStore<Room, { room: string }>('room');
const postMessage = defineAction<{ room: string; body: string }>('post_message');

const client = createClient({ url: 'wss://chat.example.org/ws', token: () => fetch('/token').then((it) => it.text()) });

function Messages() {
  const { status, data } = useStore(room({ room: 'lobby' }));
  const post = useAction(postMessage);
  if (data === undefined) return <p>{status}</p>;
  return (
    <>
      {Object.entries(data.messages).map(([id, { body }]) => (
        <p key={id}>{body}</p>
      ))}
      <button onClick={() => void post({ room: 'lobby', body: 'hello' })}>Say hello</button>
    </>
  );
}

export const page = (
  <FluxProvider client={client}>
    <Messages />
  </FluxProvider>
);
