/**
 * The actions of one client id that have no outcome yet (§4): numbered, kept, sent again, settled.
 *
 * Pure: what to send comes out of {@link Outbox.send}; whoever brought an action is told through its {@link Caller},
 * and a {@link Journal} hears of all that has to outlive the page. Times are on any clock that never goes back, in
 * milliseconds.
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

/** An action as it was brought. */
export interface Brought {
  readonly id: string;
  readonly name: string;
  readonly params: JsonObject;
  /** In milliseconds since 1970. */
  readonly at: number;
}

/** An action as it outlives the page: with the client id and the number under which alone it may be sent. */
export interface KeptAction extends Brought {
  readonly client: string;
  readonly number: number;
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
  /** It has its outcome. */
  forget(id: string): void;
}

interface Kept {
  readonly brought: Brought;
  readonly caller: Caller;
  number: number;
  /** True from when it is sent until it is answered or the connection is lost. */
  underWay: boolean;
  /** True if it may have been applied although no outcome came: its connection was lost, or its page. */
  uncertain: boolean;
}

const NOWHERE: Journal = { keep: () => undefined, forget: () => undefined };

export class Outbox {
  readonly #makeId: () => string;
  readonly #random: () => number;
  readonly #journal: Journal;
  #client: string;
  #next = 1;
  /** In the order of their numbers. */
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
  constructor(makeId: () => string, random: () => number, journal: Journal = NOWHERE) {
    this.#makeId = makeId;
    this.#random = random;
    this.#journal = journal;
    this.#client = makeId();
  }

  /**
   * What a page before this one left of a client id, to be sent once more.
   *
   * Only that: others may have used later numbers since, so that nothing new goes under this id.
   *
   * @param actions - All of one client id.
   */
  static restored(
    actions: readonly KeptAction[],
    caller: (action: Brought) => Caller,
    makeId: () => string,
    random: () => number,
    journal: Journal | undefined,
  ): Outbox {
    const outbox = new Outbox(makeId, random, journal);
    outbox.#client = actions[0]?.client ?? outbox.#client;
    outbox.#kept = [...actions]
      .sort((a, b) => a.number - b.number)
      .map(({ client: _client, number, ...brought }) => {
        return { brought, caller: caller(brought), number, underWay: false, uncertain: true };
      });
    return outbox;
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

  /**
   * Keep an action until its outcome; {@link send} says what is to be sent.
   *
   * @param maxFrame - The longest frame that a front takes, in bytes; of a longer one the caller is told at once.
   */
  add(brought: Brought, caller: Caller, maxFrame: number): void {
    const { name, params } = brought;
    if (!fits(encode({ type: 'dispatch', lane: 0, number: this.#next, name, params }), maxFrame)) {
      caller.reject(tooLarge(name, maxFrame));
      return;
    }
    const kept = { brought, caller, number: this.#next, underWay: false, uncertain: false };
    this.#next += 1;
    this.#kept.push(kept);
    this.#write(kept);
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
      const { name, params } = kept.brought;
      const frame: Dispatch = { type: 'dispatch', lane: 0, number: kept.number, name, params };
      if (!fits(encode(frame), maxFrame)) {
        // This leaves a gap in the numbers. The front will say so, and whatever comes after takes a new client id.
        this.#drop(kept).caller.reject(tooLarge(name, maxFrame));
        continue;
      }
      kept.underWay = true;
      underWay += 1;
      kept.caller.sent();
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

  /** Nothing will be sent any more: tell everybody. What is kept beyond the page stays there. */
  close(error: FluxError): void {
    for (const { caller } of this.#kept.splice(0)) caller.reject(error);
  }

  #settle(outcome: Outcome): boolean {
    const kept = this.#kept.find((one) => one.number === outcome.number);
    // A second outcome of an action that was sent twice.
    if (kept === undefined) return false;
    if (outcome.status !== 'invalid') this.#refusals = 0;
    if (outcome.status === 'ok') {
      this.#drop(kept).caller.resolve(outcome.reply, outcome.stores);
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
    this.#drop(kept).caller.reject(new FluxError(outcome.error));
    return false;
  }

  #underWay(): number {
    return this.#kept.filter((kept) => kept.underWay).length;
  }

  #release(): void {
    this.#holding = this.#busy = false;
    this.#resumeAt = undefined;
  }

  #write({ brought, number }: Kept): void {
    this.#journal.keep({ ...brought, client: this.#client, number });
  }

  #drop(kept: Kept): Kept {
    this.#kept.splice(this.#kept.indexOf(kept), 1);
    this.#journal.forget(kept.brought.id);
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
    this.#client = this.#makeId();
    this.#next = 1;
    for (const kept of this.#kept) {
      kept.number = this.#next;
      kept.underWay = false;
      this.#next += 1;
      this.#write(kept);
    }
    for (const { brought, caller } of uncertain) {
      this.#journal.forget(brought.id);
      caller.reject(error);
    }
  }
}
