/**
 * One connection for all tabs of a browser: one of them leads and holds it, the others hear through it what happens.
 *
 * Who leads holds a lock (Web Locks) as long as its connection lives; the next one gets it when that ends, however it
 * does, and the others come back to it and resume. Tabs share only with those whose tokens make the same claims. A tab's
 * actions never go through another tab: a follower sends them by requests of its own, under its own client id and
 * numbers (docs/http.md), so that they take effect exactly once whoever leads.
 */
import { anyWay } from './any-way.ts';
import { adviceFor } from './codes.ts';
import { randomId } from './id.ts';
import type { Hello, Up, Wanted } from './frames.ts';
import { open } from './http.ts';
import type { Source } from './http.ts';
import { canonical, isObject } from './json.ts';
import type { Json } from './json.ts';
import { makeLetters } from './letters.ts';
import { makeSwitchboard } from './switchboard.ts';
import type { Port } from './switchboard.ts';
import { claimsOf } from './token.ts';
import type { Socket, SocketListener, Transport } from './transport.ts';

export interface TabsOptions {
  /** How the one that leads reaches a front; as a client without tabs unless given. */
  transport?: Transport;
  /** Locks between the tabs; the platform's unless given. */
  locks?: Pick<LockManager, 'request'>;
}

/** How long a tab waits for the one that leads, in milliseconds; then it has a connection of its own. */
export const LEADER_MS = 3_000;

/** How long the lock of one that ended is kept for the own next attempt, in milliseconds. */
const ELECTED_MS = 3_000;

/** What tabs say to each other. */
type Word =
  /** A follower: all it wants. */
  | { type: 'want'; from: string; stores: readonly Wanted[] }
  | { type: 'bye'; from: string }
  /** Who leads: a frame, its `welcome`, or the end of it. */
  | { type: 'frame'; to: string; text: string }
  | { type: 'welcome'; text: string }
  | { type: 'closed'; code: number; reason: string };

/** A lock that is held; calling it lets go. */
type Release = () => void;

/**
 * Share a connection: `createClient({ url, token, transport: tabs() })`.
 *
 * Where there are no locks and no channels between tabs, each has a connection of its own.
 */
export function tabs({ transport = anyWay(), locks = globalThis.navigator?.locks }: TabsOptions = {}): Transport {
  /** True if nobody led when a leader was waited for: the next attempt is one's own. */
  let alone = false;
  /** The lock of a leader that has ended, for the next attempt. */
  let elected: { name: string; release: Release } | undefined;

  return (url, listener, failures, token) => {
    // Whose a cookie is cannot be told here.
    if (alone || token === undefined || locks === undefined || globalThis.BroadcastChannel === undefined) {
      alone = false;
      return transport(url, listener, failures, token);
    }
    let socket: Socket | undefined;
    let over = false;
    const begin = async (hello: Hello): Promise<void> => {
      const name = `fluxwire ${url} ${groupOf(hello.token)}`;
      const mine = elected?.name === name ? elected.release : undefined;
      if (mine === undefined) elected?.release();
      elected = undefined;
      const release = mine ?? (await lock(locks, name));
      if (over) {
        release?.();
        return;
      }
      if (release !== undefined) socket = lead({ url, listener, failures, transport, locks, name, hello, release });
      else {
        socket = follow({ url, listener, locks, name, hello }, (next) => {
          alone = next === 'alone';
          if (next !== 'alone') elected = { name, release: once(next, ELECTED_MS) };
        });
      }
    };
    queueMicrotask(() => {
      if (!over) listener.opened();
    });
    return {
      send(text) {
        const frame = JSON.parse(text) as Up;
        if (frame.type === 'hello') void begin(frame);
        else socket?.send(text);
      },
      close() {
        over = true;
        socket?.close();
      },
    };
  };
}

interface Shared {
  url: string;
  listener: SocketListener;
  locks: Pick<LockManager, 'request'>;
  /** Of the lock, and of the channel between these tabs. */
  name: string;
  hello: Hello;
}

/** Hold the connection, for oneself and for whoever asks. */
function lead(
  { url, listener, failures, transport, locks, name, hello, release }:
    Shared & { failures: number; transport: Transport; release: Release },
): Socket {
  const channel = new BroadcastChannel(name);
  const say = (word: Word): void => channel.postMessage(word);
  const ports = new Map<string, Port>();
  const gone = new AbortController();
  const letters = makeLetters();
  let welcome: string | undefined;
  let over = false;

  const end = (code: number, reason: string): void => {
    if (over) return;
    over = true;
    gone.abort();
    // What ends all of an actor's connections ends every tab's; what a front holds against this tab's token does not.
    const shared = code === KICKED || adviceFor(code) === 'come back';
    say(shared ? { type: 'closed', code, reason } : { type: 'closed', code: 1012, reason: 'come back in 0 ms' });
    channel.close();
    release();
  };

  const own: Port = (text) => {
    for (const one of letters.hear(text)) listener.message(one);
  };

  const real = transport(url, {
    opened: () => real.send(JSON.stringify(hello)),
    message(text) {
      const { type } = JSON.parse(text) as { type?: string };
      if (type === 'welcome') {
        welcome = text;
        say({ type: 'welcome', text });
      }
      if (STORES.includes(type ?? '')) board.hear(text);
      else listener.message(text);
    },
    closed(code, reason) {
      end(code, reason);
      listener.closed(code, reason);
    },
  }, failures, hello.token);
  const board = makeSwitchboard((frame) => real.send(JSON.stringify(frame)));

  const leave = (tab: string): void => {
    const port = ports.get(tab);
    ports.delete(tab);
    if (port !== undefined && !over) board.want(port, []);
  };

  channel.onmessage = ({ data }: MessageEvent<Word>) => {
    if (data.type === 'bye') leave(data.from);
    // Whoever asks too early asks again when it hears of the welcome.
    if (data.type !== 'want' || welcome === undefined) return;
    const { from, stores } = data;
    const port = ports.get(from) ?? ((text) => say({ type: 'frame', to: from, text }));
    if (!ports.has(from)) {
      ports.set(from, port);
      // A tab holds a lock of its own: who gets that knows that the tab has ended.
      locks.request(tabName(name, from), { signal: gone.signal }, () => leave(from)).catch(() => undefined);
    }
    port(welcome);
    board.want(port, stores);
  };

  return {
    send(text) {
      const frame = JSON.parse(text) as Up;
      if (frame.type !== 'subscribe' && frame.type !== 'unsubscribe') {
        real.send(text);
        return;
      }
      letters.say(frame);
      board.want(own, letters.stores);
    },
    close() {
      end(1012, 'come back in 0 ms');
      real.close();
    },
  };
}

/** The application has ended this actor's connections (docs/protocol.md §6). */
const KICKED = 4004;

const STORES: readonly string[] = ['subscribed', 'unsubscribed', 'snapshot', 'update', 'commit'];

/**
 * Hear of stores through the tab that leads.
 *
 * @param then - Called at the end if the next attempt is to lead, with the lock for it, or to be alone.
 */
function follow({ url, listener, locks, name, hello }: Shared, then: (next: Release | 'alone') => void): Socket {
  const channel = new BroadcastChannel(name);
  const tab = randomId();
  const gone = new AbortController();
  let welcomed = false;
  let ended: Release = () => undefined;
  const life = new Promise<void>((resolve) => (ended = resolve));

  const source: Source = (letters, { hear, end }) => {
    const ask = (): void => channel.postMessage({ type: 'want', from: tab, stores: letters.stores } satisfies Word);
    channel.onmessage = ({ data }: MessageEvent<Word>) => {
      if (data.type === 'frame' && data.to === tab) {
        welcomed = true;
        hear(data.text);
      } else if (data.type === 'closed') end(data.code, data.reason);
      else if (data.type === 'welcome') {
        // Another one leads: what the one before had heard of this tab is gone.
        if (welcomed) end(1012, 'come back in 0 ms');
        else ask();
      }
    };
    ask();
    return { close: () => undefined };
  };

  const close = (): void => {
    if (gone.signal.aborted) return;
    clearTimeout(timer);
    gone.abort();
    channel.postMessage({ type: 'bye', from: tab } satisfies Word);
    channel.close();
    ended();
  };
  const socket = open(url, {
    opened: () => socket.send(JSON.stringify(hello)),
    message: listener.message,
    closed(code, reason) {
      close();
      listener.closed(code, reason);
    },
  }, source);
  const leaveFor = (next: Release | 'alone'): void => {
    if (gone.signal.aborted) return;
    then(next);
    socket.close();
    close();
    listener.closed(1012, 'come back in 0 ms');
  };
  const timer = setTimeout(() => {
    if (!welcomed) leaveFor('alone');
  }, LEADER_MS);
  void locks.request(tabName(name, tab), {}, () => life).catch(() => undefined);
  void lock(locks, name, gone.signal).then((release) => {
    if (release === undefined) return;
    if (gone.signal.aborted) release();
    else leaveFor(release);
  });

  return {
    send(text) {
      const frame = JSON.parse(text) as Up;
      socket.send(text);
      // Who may read something else now shares with others.
      if (frame.type !== 'refresh' || groupOf(frame.token) === groupOf(hello.token)) return;
      socket.close();
      close();
      listener.closed(4205, 'other claims');
    },
    close() {
      socket.close();
      close();
    },
  };
}

function tabName(name: string, tab: string): string {
  return `${name} ${tab}`;
}

/**
 * Get a lock.
 *
 * @param signal - Wait for it until then; not at all unless given.
 * @returns Lets go; `undefined` if it could not be had.
 */
function lock(locks: Pick<LockManager, 'request'>, name: string, signal?: AbortSignal): Promise<Release | undefined> {
  return new Promise((resolve) => {
    const held = async (got: Lock | null): Promise<void> => {
      if (got === null) resolve(undefined);
      else await new Promise<void>((release) => resolve(() => release()));
    };
    locks.request(name, signal === undefined ? { ifAvailable: true } : { signal }, held).catch(() => resolve(undefined));
  });
}

/** Let go now or after so many milliseconds, whichever comes first. */
function once(release: Release, ms: number): Release {
  const timer = setTimeout(release, ms);
  return () => {
    clearTimeout(timer);
    release();
  };
}

/** What the tokens of tabs that share have in common: all they claim but for when they are good. */
function groupOf(token = ''): string {
  const claims = claimsOf(token);
  if (!isObject(claims)) return token;
  const { exp: _exp, iat: _iat, nbf: _nbf, jti: _jti, ...rest } = claims as Record<string, Json>;
  return canonical(rest);
}
