/**
 * The actions that have no outcome yet (§4): numbered, kept, sent again, settled.
 *
 * A connection speaks for one client id. What pages before this one left goes first, one id after the other; the page's
 * own actions follow under an id that no other page ever had.
 *
 * Pure: what to send comes out of {@link Outbox.send}; whoever brought an action is told through its {@link Caller},
 * and a {@link Journal} hears of all that has to outlive the page. Times are on any clock that never goes back, in
 * milliseconds.
 */
import { FluxError, tooLarge } from './errors.ts';
import { encode, sizeOf } from './frames.ts';
import type { Dispatch, Outcome } from './frames.ts';
import type { Json, JsonObject } from './json.ts';

/** Actions under way at once; well below the front's 1,000, so that `busy` is rare. */
export const WINDOW = 256;
/** The longest wait after `busy`; each further one doubles it, up to the cap. In milliseconds. */
export const BUSY_MS = 50;
export const BUSY_CAP_MS = 5_000;

/** An action as it was brought. */
export interface Brought {
  readonly id: string;
  readonly name: string;
  readonly params: JsonObject;
  /** In milliseconds since 1970. */
  readonly at: number;
}

/** An action and its number. */
export interface NumberedAction extends Brought {
  readonly number: number;
}

/** An action as it outlives the page: with the client id and the number under which alone it may be sent. */
export interface KeptAction extends NumberedAction {
  readonly client: string;
}

/** Who brought an action. */
export interface Caller {
  /** It leaves, perhaps not for the first time. */
  sent(): void;
  /** It is committed; `versions` are the stores' by their keys (§4). */
  resolve(reply: Json, versions: JsonObject): void;
  reject(error: FluxError): void;
}

/** Keeps actions beyond the page. */
export interface Journal {
  /** Keep an action, or keep it under another client id and number than before. */
  keep(action: KeptAction): void;
  /** It has its outcome: an error if it was refused, or if nobody can tell. */
  forget(id: string, error?: FluxError): void;
}

/** An action with the number under which it was kept. */
export interface Left {
  readonly brought: Brought;
  readonly caller: Caller;
  number: number;
}

interface Kept extends Left {
  client: string;
  /** True from when it is sent until it is answered or the connection is lost. */
  underWay: boolean;
  /** True if it may have been applied although no outcome came: its connection was lost, or its page. */
  uncertain: boolean;
}

/** What an outbox is made with. */
export interface OutboxOptions {
  /** Makes a new client id, never the same twice. */
  makeId: () => string;
  /** A number from 0 up to 1, evenly spread. */
  random: () => number;
  /** Keeps actions beyond the page, if anything does. */
  journal?: Journal | undefined;
}

/** All actions of a page; made by {@link makeOutbox}. */
export interface Outbox {
  /** The client id for a connection that begins: it speaks for that one alone (§2). */
  hello(): string;
  /** True if it is another one's turn: only a new connection can say `hello` for that. */
  readonly turned: boolean;
  /** When {@link send} has to be called again though nothing has come; `Infinity` if it has not. */
  readonly deadline: number;
  /**
   * Keep an action until its outcome; {@link send} says what is to be sent.
   *
   * @param maxFrame - The longest frame that a front takes, in bytes; of a longer one the caller is told at once.
   */
  add(brought: Brought, caller: Caller, maxFrame: number): void;
  /**
   * Keep what a page before this one left of one client id, to be sent once more; in the order of their numbers.
   *
   * Only that: others may have used later numbers since, so that nothing new goes under this id.
   */
  adopt(client: string, left: readonly Left[]): void;
  /** The connection is lost: nothing is under way any more. */
  lost(): void;
  /**
   * The frames that may be sent now, in order; all that is kept after a `welcome` (§4).
   *
   * @param maxFrame - The longest frame that the front takes, in bytes.
   */
  send(maxFrame: number, now: number): Dispatch[];
  settle(outcome: Outcome, now: number): void;
  /** Nothing will be sent any more: tell everybody. What is kept beyond the page stays there. */
  close(error: FluxError): void;
}

/** No action yet. */
export function makeOutbox({ makeId, random, journal }: OutboxOptions): Outbox {
  /** The client id of the page's own actions, and the next number. */
  let own = makeId();
  let next = 1;
  /** In the order in which they are sent: those of one client id stand together, in the order of their numbers. */
  let all: Kept[] = [];
  /** The client id that the connection speaks for. */
  let client = own;
  /** True while answers to frames that came too early are awaited. */
  let holding = false;
  /** True if an answer to what is held was `busy`. */
  let busy = false;
  /** How often in a row nothing but `busy` came. */
  let refusals = 0;
  let resumeAt = Infinity;

  const frameOf = ({ number, brought: { name, params } }: Kept): Dispatch => {
    return { type: 'dispatch', lane: 0, number, name, params };
  };

  const underWay = (): number => all.filter((kept) => kept.underWay).length;

  const first = (): string => all[0]?.client ?? own;

  const release = (): void => {
    holding = busy = false;
    resumeAt = Infinity;
  };

  const write = ({ brought, client, number }: Kept): void => journal?.keep({ ...brought, client, number });

  const drop = (kept: Kept): Caller => {
    all.splice(all.indexOf(kept), 1);
    return kept.caller;
  };

  const refuse = (kept: Kept, error: FluxError): void => {
    journal?.forget(kept.brought.id, error);
    drop(kept).reject(error);
  };

  /** Whether it only came before an earlier one; `client_expired` says so if that one is the client's first. */
  const overtook = (kept: Kept, code: string): boolean => {
    return kept !== all[0] && (code === 'number_gap' || (code === 'client_expired' && all[0]?.number === 1));
  };

  /** It was not tried: send it again, and unless it is the front that is busy all before it, once nothing is under way. */
  const again = (early: Kept, code: string): void => {
    const position = all.indexOf(early);
    const from = code === 'busy' ? position : 0;
    for (const kept of all.slice(from, position + 1)) kept.underWay = false;
    holding = true;
    busy ||= code === 'busy';
  };

  /**
   * The numbers of this client id lead nowhere: take a new id and begin at 1.
   *
   * What was under way on a lost connection may have been applied under the old id. To send it
   * again under the new one could apply it twice, so that its caller is told instead.
   */
  const expire = (error: FluxError): void => {
    const uncertain = all.filter((kept) => kept.client === client && kept.uncertain);
    all = all.filter((kept) => !uncertain.includes(kept));
    // Of what another page left all is uncertain.
    if (client === own) {
      own = makeId();
      next = 1;
    }
    for (const kept of all) {
      if (kept.client !== client) continue;
      kept.client = own;
      kept.number = next;
      kept.underWay = false;
      next += 1;
      write(kept);
    }
    for (const { brought, caller } of uncertain) {
      journal?.forget(brought.id, error);
      caller.reject(error);
    }
  };

  const take = (outcome: Outcome): void => {
    const kept = all.find((one) => one.client === client && one.number === outcome.number);
    // A second outcome of an action that was sent twice.
    if (kept === undefined) return;
    const invalid = outcome.status === 'invalid';
    if (!invalid) refusals = 0;
    if (outcome.status === 'ok') {
      journal?.forget(kept.brought.id);
      drop(kept).resolve(outcome.reply, outcome.stores);
      return;
    }
    const { code } = outcome.error;
    const error = new FluxError(outcome.error);
    if (invalid && (code === 'busy' || overtook(kept, code))) again(kept, code);
    else if (invalid && (code === 'client_expired' || code === 'number_gap')) expire(error);
    else refuse(kept, error);
  };

  return {
    get deadline() {
      return resumeAt;
    },
    get turned() {
      return first() !== client;
    },
    hello: () => (client = first()),
    add(brought, caller, maxFrame) {
      const kept = { brought, caller, client: own, number: next, underWay: false, uncertain: false };
      if (sizeOf(encode(frameOf(kept))) > maxFrame) {
        caller.reject(tooLarge(brought.name, maxFrame));
        return;
      }
      next += 1;
      all.push(kept);
      write(kept);
    },
    adopt(of, left) {
      // It was brought before whatever this page has not sent yet.
      const unsent = all.findIndex((kept) => kept.client === own && !kept.underWay);
      const kept = left.map((one) => ({ ...one, client: of, underWay: false, uncertain: true }));
      all.splice(unsent < 0 ? all.length : unsent, 0, ...kept);
    },
    lost() {
      release();
      for (const kept of all) {
        kept.uncertain ||= kept.underWay;
        kept.underWay = false;
      }
    },
    send(maxFrame, now) {
      const frames: Dispatch[] = [];
      let count = underWay();
      if (holding && (count > 0 || (busy && now < resumeAt))) return frames;
      release();
      for (const kept of [...all]) {
        if (count >= WINDOW || kept.client !== client) break;
        if (kept.underWay) continue;
        const frame = frameOf(kept);
        if (sizeOf(encode(frame)) > maxFrame) {
          // This leaves a gap in the numbers. The front will say so, and whatever comes after takes a new client id.
          refuse(kept, tooLarge(frame.name, maxFrame));
          continue;
        }
        kept.underWay = true;
        count += 1;
        kept.caller.sent();
        frames.push(frame);
      }
      return frames;
    },
    settle(outcome, now) {
      take(outcome);
      // §6: a moment after the last answer, so that a front that is full is not asked in a circle.
      if (busy && resumeAt === Infinity && underWay() === 0) {
        const longest = Math.min(BUSY_CAP_MS, BUSY_MS * 2 ** refusals);
        refusals += 1;
        resumeAt = now + longest * (1 - random() / 2);
      }
    },
    close(error) {
      for (const { caller } of all.splice(0)) caller.reject(error);
    },
  };
}
