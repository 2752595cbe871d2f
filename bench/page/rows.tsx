/** A room of many messages in a virtualised list; `bench/peers/page.mjs` opens it in Chromium. */
import { useVirtualizer } from '@tanstack/react-virtual';
import { createClient, defineStore } from 'fluxwire';
import type { Client, SocketListener, Transport } from 'fluxwire';
import { ordered } from 'fluxwire/ordered';
import { persist } from 'fluxwire/persist';
import { FluxProvider, useStore } from 'fluxwire/react';
import { memo, useLayoutEffect, useRef } from 'react';
import { createRoot } from 'react-dom/client';

interface Message {
  id: string;
  author: string;
  body: string;
  sent_at: string;
}

interface Room {
  messages: Record<string, Message>;
}

const room = defineStore<Room, { room: string }>('room');
const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);
const inOrder = ordered<Room, 'messages'>(
  'messages',
  (a, b) => compare(a.sent_at, b.sent_at) || compare(a.id, b.id),
);

/** Heights of a row and of the list, in pixels. */
const ROW = 20;
const HEIGHT = 600;

let rows = 0;
let committed: (at: number) => void = () => undefined;

const Row = memo(function Row({ message }: { message: Message }) {
  rows += 1;
  return (
    <p>
      <strong>{message.author}</strong> {message.body}
    </p>
  );
});

function Page() {
  const { data: messages } = useStore(room({ room: 'lobby' }), { select: inOrder });
  return messages && <List messages={messages} />;
}

function List({ messages }: { messages: readonly Message[] }) {
  const frame = useRef<HTMLDivElement>(null);
  const virtual = useVirtualizer({
    count: messages.length,
    getScrollElement: () => frame.current,
    estimateSize: () => ROW,
    // The first thing that is shown is the end.
    initialRect: { width: 0, height: HEIGHT },
    initialOffset: () => messages.length * ROW - HEIGHT,
    getItemKey: (index) => messages[index]?.id ?? index,
  });
  useLayoutEffect(() => {
    committed(performance.now());
    // The newest stays in sight.
    frame.current?.scrollTo({ top: virtual.getTotalSize() });
  }, [messages]);
  return (
    <div ref={frame} style={{ height: HEIGHT, overflow: 'auto' }}>
      <div style={{ height: virtual.getTotalSize(), position: 'relative' }}>
        {virtual.getVirtualItems().map(({ key, index, start }) => (
          <div key={key} style={{ position: 'absolute', top: start }}>
            <Row message={messages[index] as Message} />
          </div>
        ))}
      </div>
    </div>
  );
}

const KEY = 'room{"room": "lobby"}';
const nameOf = (n: number): string => `0198-${String(n).padStart(9, '0')}`;
const message = (n: number): Message => ({
  id: nameOf(n),
  author: `actor-${n % 50}`,
  body: `message ${n}`,
  sent_at: new Date(1_800_000_000_000 + n).toISOString(),
});

let listener: SocketListener | undefined;
const say = (frame: object): void => listener?.message(JSON.stringify(frame));

/** A front that knows one room, of `count` messages. */
function front(count: number): Transport {
  return (_url, to) => {
    listener = to;
    queueMicrotask(() => to.opened());
    return {
      send: (text) => {
        const frame = JSON.parse(text) as { type: string; stores?: { id: number }[] };
        if (frame.type === 'hello') {
          say({ type: 'welcome', protocol: 1, actor: 'ada', max_frame: 65_536, heartbeat_ms: 25_000 });
        }
        for (const { id } of frame.stores ?? []) {
          const of = { store: KEY, epoch: 'bench', version: 1 };
          const messages = Object.fromEntries(Array.from({ length: count }, (_value, n) => [nameOf(n), message(n)]));
          say({ type: 'subscribed', id, ...of, resumed: false });
          say({ type: 'snapshot', ...of, document: { room: {}, members: {}, messages } });
        }
      },
      close: () => undefined,
    };
  };
}

/** A message comes, the oldest goes: the `n`th update of a room that keeps `count`. */
function update(count: number, n: number): void {
  const patch = [
    { op: 'add', path: `/messages/${nameOf(count + n)}`, value: message(count + n) },
    { op: 'remove', path: `/messages/${nameOf(n)}` },
  ];
  say({ type: 'update', store: KEY, epoch: 'bench', from: n + 1, to: n + 2, patch });
}

function show(client: Client): void {
  createRoot(document.getElementById('root') as HTMLElement).render(
    <FluxProvider client={client}>
      <Page />
    </FluxProvider>,
  );
}

const frame = (): Promise<number> => new Promise((resolve) => requestAnimationFrame(resolve));
const shown = async (count: number): Promise<void> => {
  while (!document.body.innerText.includes(`message ${count - 1}`)) await frame();
};

Object.assign(window, {
  /** Milliseconds from a frame off the socket until React has committed it, one a time, and rows rendered for each. */
  async one(count: number, turns: number) {
    show(createClient({ url: 'ws://bench/ws', token: 'ada', transport: front(count) }));
    await shown(count);
    const taken: number[] = [];
    let rendered = 0;
    for (let n = 0; n < turns; n += 1) {
      // Until the page has rested from the one before.
      for (let wait = 0; wait < 4; wait += 1) await frame();
      const before = rows;
      const begun = performance.now();
      const done = new Promise<number>((resolve) => (committed = resolve));
      update(count, n);
      taken.push((await done) - begun);
      await frame();
      rendered += rows - before;
    }
    await shown(count + turns);
    return { taken, rows: rendered / turns };
  },

  /** Frames a second, while `rate` updates a second come for `seconds`. */
  async many(count: number, rate: number, seconds: number) {
    show(createClient({ url: 'ws://bench/ws', token: 'ada', transport: front(count) }));
    await shown(count);
    let sent = 0;
    const begun = performance.now();
    const channel = new MessageChannel();
    channel.port1.onmessage = () => {
      const elapsed = performance.now() - begun;
      // One a task, as they come off a socket.
      if (sent < (elapsed * rate) / 1_000) update(count, sent++);
      if (elapsed < seconds * 1_000) channel.port2.postMessage(undefined);
    };
    channel.port2.postMessage(undefined);
    const frames: number[] = [];
    while (performance.now() - begun < seconds * 1_000) frames.push(await frame());
    await shown(count + sent);
    return { sent, frames: frames.length / seconds };
  },

  /** Leave a room on this device, as a page before this one does. */
  async keep(count: number) {
    const client = createClient({
      url: 'ws://bench/ws',
      token: 'ada',
      transport: front(count),
      persistence: persist({ actor: 'ada' }),
    });
    show(client);
    await shown(count);
    await client.close();
  },

  /** Milliseconds from the first line of the script until the page has painted the room of before. */
  async cached(count: number) {
    const begun = performance.now();
    const never: Transport = () => ({ send: () => undefined, close: () => undefined });
    const persistence = persist({ actor: 'ada' });
    show(createClient({ url: 'ws://bench/ws', token: 'ada', transport: never, persistence }));
    await shown(count);
    // The frame after it begins when it has been painted.
    await frame();
    return performance.now() - begun;
  },
});
