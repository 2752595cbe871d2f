/**
 * The actions of one client that have no outcome yet (§4): numbered, kept, sent again, settled.
 *
 * Pure: what to send comes out of {@link Outbox.send}; who asked is told through the callbacks given
 * with each action. Times are on any clock that never goes back, in milliseconds.
 */
import { FluxError, tooLarge } from './errors.ts';
import { encode, fits } from './frames.ts';
import type { Dispatch, Outcome } from './frames.ts';
import type { Json, JsonObject } from './json.ts';

/** Actions under way at once; well below the front's 1,000, so that `busy` is rare. */
export const WINDOW = 256;
/** The longest wait after `busy`; each further one doubles it, up to the cap. In milliseconds. */
export const BUSY_MS = 50;
export const BUSY_CAP_MS = 5_000;

interface Kept {
  readonly name: string;
  readonly params: JsonObject;
  readonly resolve: (reply: Json) => void;
  readonly reject: (error: FluxError) => void;
  /** Given when it is first sent, and kept. */
  number: number | undefined;
  /** True from when it is sent until it is answered or the connection is lost. */
  underWay: boolean;
  /** True if a connection was lost while it was under way: it may have been applied. */
  uncertain: boolean;
}

export class Outbox {
  readonly #makeId: () => string;
  readonly #random: () => number;
  #client: string;
  #next = 1;
  /** In the order of their numbers; those without one at the end. */
  #kept: Kept[] = [];
  /** True while answers to frames that came too early are awaited. */
  #holding = false;
  /** True if an answer to what is held was `busy`. */
  #busy = false;
  /** How often in a row nothing but `busy` came. */
  #refusals = 0;
  #resumeAt: number | undefined;

  /**
   * @param makeId - Makes a new client id, never the same twice.
   * @param random - A number from 0 up to 1, evenly spread.
   */
  constructor(makeId: () => string, random: () => number) {
    this.#makeId = makeId;
    this.#random = random;
    this.#client = makeId();
  }

  /** The client id that the numbers belong to. */
  get client(): string {
    return this.#client;
  }

  /** How many actions have no outcome yet. */
  get size(): number {
    return this.#kept.length;
  }

  /** When {@link send} has to be called again though nothing has come, if at all. */
  get deadline(): number | undefined {
    return this.#resumeAt;
  }

  /** Keep an action until its outcome; {@link send} says what is to be sent. */
  add(name: string, params: JsonObject, resolve: Kept['resolve'], reject: Kept['reject']): void {
    this.#kept.push({ name, params, resolve, reject, number: undefined, underWay: false, uncertain: false });
  }

  /** The connection is lost: nothing is under way any more. */
  lost(): void {
    this.#release();
    for (const kept of this.#kept) {
      kept.uncertain ||= kept.underWay;
      kept.underWay = false;
    }
  }

  /**
   * The frames that may be sent now, in order; all that is kept after a `welcome` (§4).
   *
   * @param maxFrame - The longest frame that the front takes, in bytes.
   */
  send(maxFrame: number, now: number): Dispatch[] {
    const frames: Dispatch[] = [];
    let underWay = this.#underWay();
    if (this.#holding && (underWay > 0 || (this.#resumeAt !== undefined && now < this.#resumeAt))) return frames;
    this.#release();
    for (const kept of [...this.#kept]) {
      if (underWay >= WINDOW) break;
      if (kept.underWay) continue;
      const frame = this.#frame(kept);
      if (kept.number === undefined && !fits(encode(frame), maxFrame)) {
        // Refused before it has a number: no front would take it, and none must be left out.
        this.#drop(kept).reject(tooLarge(kept.name, maxFrame));
        continue;
      }
      if (kept.number === undefined) this.#next += 1;
      kept.number = frame.number;
      kept.underWay = true;
      underWay += 1;
      frames.push(frame);
    }
    return frames;
  }

  /**
   * Take an outcome.
   *
   * @returns True if the client id has changed: a new connection must say `hello` with it.
   */
  settle(outcome: Outcome, now: number): boolean {
    const changed = this.#settle(outcome);
    // §6: a moment after the last answer, so that a front that is full is not asked in a circle.
    if (this.#busy && this.#resumeAt === undefined && this.#underWay() === 0) {
      const longest = Math.min(BUSY_CAP_MS, BUSY_MS * 2 ** this.#refusals);
      this.#refusals += 1;
      this.#resumeAt = now + longest * (1 - this.#random() / 2);
    }
    return changed;
  }

  /** Nothing will be sent any more: tell everybody. */
  close(error: FluxError): void {
    for (const kept of this.#kept.splice(0)) kept.reject(error);
  }

  #settle(outcome: Outcome): boolean {
    const kept = this.#kept.find((one) => one.number === outcome.number);
    // A second outcome of an action that was sent twice.
    if (kept === undefined) return false;
    if (outcome.status !== 'invalid') this.#refusals = 0;
    if (outcome.status === 'ok') {
      this.#drop(kept).resolve(outcome.reply);
      return false;
    }
    const { code } = outcome.error;
    if (outcome.status === 'invalid') {
      if (code === 'busy' || this.#overtook(kept, code)) {
        this.#again(kept, code);
        return false;
      }
      if (code === 'client_expired' || code === 'number_gap') {
        this.#expire(new FluxError(outcome.error));
        return true;
      }
    }
    this.#drop(kept).reject(new FluxError(outcome.error));
    return false;
  }

  #underWay(): number {
    return this.#kept.filter((kept) => kept.underWay).length;
  }

  #release(): void {
    this.#holding = this.#busy = false;
    this.#resumeAt = undefined;
  }

  #frame(kept: Kept): Dispatch {
    const { name, params, number = this.#next } = kept;
    return { type: 'dispatch', lane: 0, number, name, params };
  }

  #drop(kept: Kept): Kept {
    this.#kept.splice(this.#kept.indexOf(kept), 1);
    return kept;
  }

  /** Whether it only came before an earlier one; `client_expired` says so if that one is the client's first. */
  #overtook(kept: Kept, code: string): boolean {
    const [first] = this.#kept;
    return kept !== first && (code === 'number_gap' || (code === 'client_expired' && first?.number === 1));
  }

  /** It was not tried: send it again, and unless it is the front that is busy all before it, once nothing is under way. */
  #again(early: Kept, code: string): void {
    const position = this.#kept.indexOf(early);
    const from = code === 'busy' ? position : 0;
    for (const kept of this.#kept.slice(from, position + 1)) kept.underWay = false;
    this.#holding = true;
    this.#busy ||= code === 'busy';
  }

  /**
   * The numbers of this client id lead nowhere: take a new id and begin at 1.
   *
   * What was under way on a lost connection may have been applied under the old id. To send it
   * again under the new one could apply it twice, so that its caller is told instead.
   */
  #expire(error: FluxError): void {
    const uncertain = this.#kept.filter((kept) => kept.uncertain);
    this.#kept = this.#kept.filter((kept) => !kept.uncertain);
    for (const kept of this.#kept) {
      kept.number = undefined;
      kept.underWay = false;
    }
    this.#client = this.#makeId();
    this.#next = 1;
    for (const kept of uncertain) kept.reject(error);
  }
}
