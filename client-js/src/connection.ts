/**
 * The life of a client's connection, without its socket: events in, effects out.
 *
 * Nothing here opens a socket, sets a timer, reads a clock or draws a random number: transport.ts
 * and client.ts do. Sections are those of docs/protocol.md.
 *
 * An *attempt* is one try to get a connection. Its number is in every effect and event that speaks
 * of a socket or a token, and an event of an earlier attempt is ignored: so there is never more
 * than one live socket, and a late answer changes nothing.
 */
import { adviceFor } from './codes.ts';
import { encode, parse, PROTOCOLS } from './frames.ts';
import type { Down } from './frames.ts';

/** What happens to a connection. Times are on any clock that never goes back, in milliseconds. */
export type Event =
  | { type: 'connect' }
  | { type: 'disconnect' }
  | { type: 'wake' }
  /** `goodFor`: how long the token will be accepted, as far as it says so. */
  | { type: 'token'; attempt: number; token: string | undefined; goodFor?: number }
  | { type: 'no token'; attempt: number }
  | { type: 'opened'; attempt: number }
  | { type: 'message'; attempt: number; text: string }
  | { type: 'closed'; attempt: number; code: number; reason: string }
  | { type: 'timer' };

/** What is to be done about it, in order. */
export type Effect =
  | { type: 'authorise'; attempt: number }
  /** `failures`: attempts before this one, in a row, that came to nothing. */
  | { type: 'open'; attempt: number; failures: number; token: string | undefined }
  | { type: 'send'; text: string }
  | { type: 'close' }
  /** Begins with the `welcome`. */
  | { type: 'frame'; frame: Down }
  | { type: 'lost' };

/**
 * - `idle`: not wanted
 * - `authorising`: waits for a token
 * - `connecting`: waits for the socket
 * - `greeting`: `hello` is sent, waits for `welcome`
 * - `open`: frames go both ways
 * - `waiting`: until the back-off is over
 * - `signed out`: needs another token
 * - `stopped`: this client and these fronts cannot talk to each other
 */
export type State = 'idle' | 'authorising' | 'connecting' | 'greeting' | 'open' | 'waiting' | 'signed out' | 'stopped';

/** Why the last connection ended. */
export interface Ending {
  code: number;
  reason: string;
}

export interface ConnectionOptions {
  /** This client's id, asked for at each `hello` (§2). */
  client: () => string;
  /** Whose connection it is to be, if that matters: one that a token opens for somebody else is not used. */
  actor: string | undefined;
  /** True if asking for a token again may bring another one. */
  renewable: boolean;
  /** A number from 0 up to 1, evenly spread. */
  random: () => number;
}

/** The longest wait before the first return; each further failure doubles it, up to the cap. In milliseconds. */
export const BACKOFF_MS = 250;
export const BACKOFF_CAP_MS = 15_000;
/** A connection that lasted so long was a success: the back-off begins anew. */
export const STABLE_MS = 5_000;
/** Patience with a connection after a sleep, during which it may have died unnoticed. */
export const WAKE_MS = 3_000;
/** The most that a front may ask for (§6): longer is no wait but a fault. */
const RETURN_CAP_MS = 300_000;
/** Patience with a socket that does not open and with a front that says no `welcome`; then another way may be tried. */
export const HANDSHAKE_MS = 6_000;

/** A fresh token is asked for when so much of the old one's time is over (§2). */
export const REFRESH_AT = 0.8;
/** How long to wait when a fresh token could not be had, in milliseconds. */
export const REFRESH_AGAIN_MS = 10_000;

/** The machine; made by {@link makeConnection}. */
export interface Connection {
  readonly state: State;
  /** When a `timer` event is due; `Infinity` if none is. */
  readonly deadline: number;
  /** Why the last connection ended; `undefined` once the next one is open. */
  readonly ending: Ending | undefined;
  /**
   * Take one event.
   *
   * @param event - What happened.
   * @param now - When, in milliseconds.
   * @returns What is to be done, in order. Never throws.
   */
  take(event: Event, now: number): Effect[];
}

type Row = { [Type in Event['type']]?: (event: Extract<Event, { type: Type }>, now: number) => Effect[] };

/** A connection that is not wanted yet. */
export function makeConnection({ client, actor, renewable, random }: ConnectionOptions): Connection {
  let state: State = 'idle';
  let deadline = Infinity;
  let ending: Ending | undefined;
  let attempt = 0;
  let token: string | undefined;
  /** When to ask for a fresh token, while open. */
  let refreshAt = Infinity;
  /** Failures in a row: they set the back-off. */
  let failures = 0;
  /** Tokens refused in a row. */
  let refusals = 0;
  let openedAt = 0;
  let heartbeatMs = 0;
  /** True while a `ping` of ours is unanswered. */
  let pinged = false;
  /** True while it waits because a front asked for it. */
  let asked = false;

  const enter = (next: State, until = Infinity): Effect[] => {
    state = next;
    deadline = until;
    return [];
  };

  const authorise = (): Effect[] => {
    attempt += 1;
    enter('authorising');
    return [{ type: 'authorise', attempt }];
  };

  const take = ({ token: next, goodFor = NaN }: { token: string | undefined; goodFor?: number }, now: number): void => {
    token = next;
    // One that seems to have ended, and opens a connection all the same, is of another clock.
    refreshAt = renewable && goodFor > 0 ? now + goodFor * REFRESH_AT : Infinity;
  };

  const greet = (): Effect[] => {
    // The patience of `connecting` goes on: the deadline covers the whole handshake.
    enter('greeting', deadline);
    return [{ type: 'send', text: encode({ type: 'hello', protocols: PROTOCOLS, token, client: client() }) }];
  };

  const read = ({ text }: { text: string }, now: number): Effect[] => {
    let frame: Down | undefined;
    try {
      frame = parse(text);
    } catch (error) {
      return abandon(`not a frame: ${(error as Error).message}`, now);
    }
    if (state === 'greeting') return frame === undefined ? [] : welcome(frame, now);
    // Any message is a sign of life, also one of a type that is not known.
    pinged = false;
    enter('open', now + heartbeatMs);
    if (frame === undefined || frame.type === 'pong' || frame.type === 'welcome') return [];
    return [{ type: 'frame', frame }];
  };

  const welcome = (frame: Down, now: number): Effect[] => {
    if (frame.type !== 'welcome') return abandon(`${frame.type} before welcome`, now);
    if (!PROTOCOLS.includes(frame.protocol)) return refuse('stopped', 4003, `the front speaks protocol ${frame.protocol}`);
    if (frame.actor !== (actor ?? frame.actor)) {
      return refuse('signed out', 4101, `the token is not of ${actor}`);
    }
    openedAt = now;
    heartbeatMs = frame.heartbeat_ms;
    pinged = false;
    refusals = 0;
    ending = undefined;
    enter('open', now + heartbeatMs);
    return [{ type: 'frame', frame }];
  };

  /** This front is not for us, and says so no better by being asked again. */
  const refuse = (next: State, code: number, reason: string): Effect[] => {
    ending = { code, reason };
    enter(next);
    return [{ type: 'close' }];
  };

  /** §2: nothing was heard for a heartbeat: ask; nothing for as long again: the connection is dead. */
  const beat = (now: number, patience: number): Effect[] => {
    if (pinged) return abandon('nothing heard', now);
    pinged = true;
    enter('open', now + patience);
    return [{ type: 'send', text: encode({ type: 'ping' }) }];
  };

  /** §2: a fresh token is shown before the old one ends. */
  const renew = (): Effect[] => {
    refreshAt = Infinity;
    return [{ type: 'authorise', attempt }];
  };

  /** The socket has closed; its code says what to do (§6). */
  const retreat = ({ code, reason }: Ending, now: number): Effect[] => {
    const effects = lost(code, reason, now);
    const advice = adviceFor(code);
    if (advice === 'come back') wait(now, returnTime(reason));
    else if (advice === 'stop') enter('stopped');
    else if (renewable && refusals === 0) {
      refusals += 1;
      wait(now);
    } else enter('signed out');
    return effects;
  };

  /** Drop a socket that is of no use any more, and come back. */
  const abandon = (reason: string, now: number): Effect[] => {
    const effects = lost(1006, reason, now);
    wait(now);
    return [...effects, { type: 'close' }];
  };

  const late = (_event: unknown, now: number): Effect[] => abandon('no welcome', now);

  const lost = (code: number, reason: string, now: number): Effect[] => {
    ending = { code, reason };
    if (state !== 'open') return [];
    if (now - openedAt >= STABLE_MS) failures = 0;
    return [{ type: 'lost' }];
  };

  /**
   * Back-off with full jitter: clients cut off together must not come back together.
   *
   * @param pause - How long the front asked for; it spreads its clients itself.
   */
  const wait = (now: number, pause?: number): Effect[] => {
    const longest = Math.min(BACKOFF_CAP_MS, BACKOFF_MS * 2 ** failures);
    asked = pause !== undefined;
    if (!asked) failures += 1;
    return enter('waiting', now + (pause ?? longest * random()));
  };

  const end = (): Effect[] => {
    const effects: Effect[] = state === 'open' ? [{ type: 'lost' }] : [];
    if (state === 'connecting' || state === 'greeting' || state === 'open') effects.push({ type: 'close' });
    failures = refusals = 0;
    enter('idle');
    return effects;
  };

  const resting: Row = { connect: authorise, disconnect: end };

  /** What each state does with each event; whatever is not listed no longer matters and is ignored. */
  const table: Readonly<Record<State, Row>> = {
    idle: { connect: authorise },
    authorising: {
      token: (event, now) => {
        take(event, now);
        enter('connecting', now + HANDSHAKE_MS);
        return [{ type: 'open', attempt, failures, token }];
      },
      'no token': (_event, now) => wait(now),
      disconnect: end,
    },
    connecting: {
      opened: greet,
      closed: retreat,
      timer: late,
      disconnect: end,
    },
    greeting: {
      message: read,
      closed: retreat,
      timer: late,
      disconnect: end,
    },
    open: {
      message: read,
      closed: retreat,
      token: (event, now) => {
        take(event, now);
        return [{ type: 'send', text: encode({ type: 'refresh', token }) }];
      },
      'no token': (_event, now) => {
        refreshAt = now + REFRESH_AGAIN_MS;
        return [];
      },
      timer: (_event, now) => (now < deadline ? renew() : beat(now, heartbeatMs)),
      wake: (_event, now) => (pinged ? [] : beat(now, WAKE_MS)),
      disconnect: end,
    },
    waiting: {
      ...resting,
      wake: () => (asked ? [] : authorise()),
      timer: authorise,
    },
    'signed out': resting,
    stopped: resting,
  };

  const due = (): number => (state === 'open' ? Math.min(deadline, refreshAt) : deadline);

  return {
    get state() {
      return state;
    },
    get deadline() {
      return due();
    },
    get ending() {
      return ending;
    },
    take(event, now) {
      if ('attempt' in event && event.attempt !== attempt) return [];
      if (event.type === 'timer' && now < due()) return [];
      const step = table[state][event.type] as ((event: Event, now: number) => Effect[]) | undefined;
      return step?.(event, now) ?? [];
    },
  };
}

/** When to come back, if the front's reason says so (§6), in milliseconds. */
function returnTime(reason: string): number | undefined {
  const [, time] = /^come back in (\d+) ms\b/.exec(reason) ?? [];
  return time === undefined ? undefined : Math.min(Number(time), RETURN_CAP_MS);
}
