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
import { encode, FrameError, parse, PROTOCOLS } from './frames.ts';
import type { Down, Welcome } from './frames.ts';

/** What happens to a connection. Times are on any clock that never goes back, in milliseconds. */
export type Event =
  | { type: 'connect' }
  | { type: 'disconnect' }
  | { type: 'wake' }
  | { type: 'token'; attempt: number; token: string }
  | { type: 'no token'; attempt: number }
  | { type: 'opened'; attempt: number }
  | { type: 'message'; attempt: number; text: string }
  | { type: 'closed'; attempt: number; code: number; reason: string }
  | { type: 'timer' };

/** What is to be done about it, in order. */
export type Effect =
  | { type: 'authorise'; attempt: number }
  | { type: 'open'; attempt: number }
  | { type: 'send'; text: string }
  | { type: 'close' }
  | { type: 'welcome'; frame: Welcome }
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
/** Patience with a socket that does not open and with a front that says no `welcome`. */
export const HANDSHAKE_MS = 10_000;

type Row = {
  [Type in Event['type']]?: (at: Connection, event: Extract<Event, { type: Type }>, now: number) => Effect[];
};

export class Connection {
  /** What each state does with each event; whatever is not listed no longer matters and is ignored. */
  static readonly #TABLE: Readonly<Record<State, Row>> = {
    idle: {
      connect: (at) => at.#authorise(),
    },
    authorising: {
      token: (at, event, now) => at.#open(event.token, now),
      'no token': (at, _event, now) => at.#wait(now),
      disconnect: (at) => at.#end(),
    },
    connecting: {
      opened: (at) => at.#greet(),
      closed: (at, event, now) => at.#retreat(event, now),
      timer: (at, _event, now) => at.#abandon('the socket did not open', now),
      disconnect: (at) => at.#end(),
    },
    greeting: {
      message: (at, event, now) => at.#read(event.text, now),
      closed: (at, event, now) => at.#retreat(event, now),
      timer: (at, _event, now) => at.#abandon('no welcome came', now),
      disconnect: (at) => at.#end(),
    },
    open: {
      message: (at, event, now) => at.#read(event.text, now),
      closed: (at, event, now) => at.#retreat(event, now),
      timer: (at, _event, now) => at.#beat(now, at.#heartbeatMs),
      wake: (at, _event, now) => (at.#pinged ? [] : at.#beat(now, WAKE_MS)),
      disconnect: (at) => at.#end(),
    },
    waiting: {
      connect: (at) => at.#authorise(),
      wake: (at) => (at.#asked ? [] : at.#authorise()),
      timer: (at) => at.#authorise(),
      disconnect: (at) => at.#end(),
    },
    'signed out': {
      connect: (at) => at.#authorise(),
      disconnect: (at) => at.#end(),
    },
    stopped: {
      connect: (at) => at.#authorise(),
      disconnect: (at) => at.#end(),
    },
  };

  readonly #options: ConnectionOptions;
  #state: State = 'idle';
  #deadline: number | undefined;
  #ending: Ending | undefined;
  #attempt = 0;
  #token = '';
  /** Failures in a row: they set the back-off. */
  #failures = 0;
  /** Tokens refused in a row. */
  #refusals = 0;
  #openedAt = 0;
  #heartbeatMs = 0;
  /** True while a `ping` of ours is unanswered. */
  #pinged = false;
  /** True while it waits because a front asked for it. */
  #asked = false;

  constructor(options: ConnectionOptions) {
    this.#options = options;
  }

  get state(): State {
    return this.#state;
  }

  /** When a `timer` event is due, if at all. */
  get deadline(): number | undefined {
    return this.#deadline;
  }

  /** Why the last connection ended; `undefined` once the next one is open. */
  get ending(): Ending | undefined {
    return this.#ending;
  }

  /**
   * Take one event.
   *
   * @param event - What happened.
   * @param now - When, in milliseconds.
   * @returns What is to be done, in order. Never throws.
   */
  take(event: Event, now: number): Effect[] {
    if ('attempt' in event && event.attempt !== this.#attempt) return [];
    if (event.type === 'timer' && !(this.#deadline !== undefined && now >= this.#deadline)) return [];
    const row = Connection.#TABLE[this.#state];
    const step = row[event.type] as ((at: Connection, event: Event, now: number) => Effect[]) | undefined;
    return step?.(this, event, now) ?? [];
  }

  #enter(state: State, deadline?: number): void {
    this.#state = state;
    this.#deadline = deadline;
  }

  #authorise(): Effect[] {
    this.#attempt += 1;
    this.#enter('authorising');
    return [{ type: 'authorise', attempt: this.#attempt }];
  }

  #open(token: string, now: number): Effect[] {
    this.#token = token;
    this.#enter('connecting', now + HANDSHAKE_MS);
    return [{ type: 'open', attempt: this.#attempt }];
  }

  #greet(): Effect[] {
    // The patience of `connecting` goes on: the deadline covers the whole handshake.
    this.#enter('greeting', this.#deadline);
    const { client } = this.#options;
    const hello = { type: 'hello', protocols: PROTOCOLS, token: this.#token, client: client() } as const;
    return [{ type: 'send', text: encode(hello) }];
  }

  #read(text: string, now: number): Effect[] {
    let frame: Down | undefined;
    try {
      frame = parse(text);
    } catch (error) {
      if (error instanceof FrameError) return this.#abandon(`not a frame: ${error.message}`, now);
      throw error;
    }
    if (this.#state === 'greeting') return frame === undefined ? [] : this.#welcome(frame, now);
    // Any message is a sign of life, also one of a type that is not known.
    this.#pinged = false;
    this.#enter('open', now + this.#heartbeatMs);
    if (frame === undefined || frame.type === 'pong' || frame.type === 'welcome') return [];
    return [{ type: 'frame', frame }];
  }

  #welcome(frame: Down, now: number): Effect[] {
    if (frame.type !== 'welcome') return this.#abandon(`${frame.type} before welcome`, now);
    const { actor = frame.actor } = this.#options;
    if (frame.actor !== actor) {
      this.#ending = { code: 4101, reason: `the token speaks for another actor than ${actor}` };
      this.#enter('signed out');
      return [{ type: 'close' }];
    }
    this.#openedAt = now;
    this.#heartbeatMs = frame.heartbeat_ms;
    this.#pinged = false;
    this.#refusals = 0;
    this.#ending = undefined;
    this.#enter('open', now + this.#heartbeatMs);
    return [{ type: 'welcome', frame }];
  }

  /** §2: nothing was heard for a heartbeat: ask; nothing for as long again: the connection is dead. */
  #beat(now: number, patience: number): Effect[] {
    if (this.#pinged) return this.#abandon('nothing heard for too long', now);
    this.#pinged = true;
    this.#enter('open', now + patience);
    return [{ type: 'send', text: encode({ type: 'ping' }) }];
  }

  /** The socket has closed; its code says what to do (§6). */
  #retreat({ code, reason }: Ending, now: number): Effect[] {
    const lost = this.#lost(code, reason, now);
    const advice = adviceFor(code);
    if (advice === 'come back') return [...lost, ...this.#wait(now, returnTime(reason))];
    if (advice === 'stop') this.#enter('stopped');
    else if (this.#options.renewable && this.#refusals === 0) {
      this.#refusals += 1;
      return [...lost, ...this.#wait(now)];
    } else this.#enter('signed out');
    return lost;
  }

  /** Drop a socket that is of no use any more, and come back. */
  #abandon(reason: string, now: number): Effect[] {
    return [...this.#lost(1006, reason, now), { type: 'close' }, ...this.#wait(now)];
  }

  #lost(code: number, reason: string, now: number): Effect[] {
    this.#ending = { code, reason };
    if (this.#state !== 'open') return [];
    if (now - this.#openedAt >= STABLE_MS) this.#failures = 0;
    return [{ type: 'lost' }];
  }

  /**
   * Back-off with full jitter: clients cut off together must not come back together.
   *
   * @param asked - How long the front asked for; it spreads its clients itself.
   */
  #wait(now: number, asked?: number): Effect[] {
    const longest = Math.min(BACKOFF_CAP_MS, BACKOFF_MS * 2 ** this.#failures);
    this.#asked = asked !== undefined;
    if (!this.#asked) this.#failures += 1;
    this.#enter('waiting', now + (asked ?? longest * this.#options.random()));
    return [];
  }

  #end(): Effect[] {
    const socket = this.#state === 'connecting' || this.#state === 'greeting' || this.#state === 'open';
    const lost: Effect[] = this.#state === 'open' ? [{ type: 'lost' }] : [];
    this.#failures = 0;
    this.#refusals = 0;
    this.#enter('idle');
    return socket ? [...lost, { type: 'close' }] : lost;
  }
}

/** When to come back, if the front's reason says so (§6), in milliseconds. */
function returnTime(reason: string): number | undefined {
  const [, time] = /^come back in (\d+) ms\b/.exec(reason) ?? [];
  return time === undefined ? undefined : Math.min(Number(time), RETURN_CAP_MS);
}
