/**
 * All actions of a page: its own, and those that pages before it left without an outcome.
 *
 * There is an {@link Outbox} for each client id, and a connection speaks for one of them. What was left goes first, one
 * id after the other; the page's own follow under an id that no other page ever had.
 */
import type { FluxError } from './errors.ts';
import type { Dispatch, Outcome } from './frames.ts';
import type { Json, JsonObject } from './json.ts';
import { Outbox } from './outbox.ts';
import type { Brought, Caller, Journal, KeptAction } from './outbox.ts';
import type { PendingAction, Prediction } from './pending.ts';
import type { Subscriptions } from './subscriptions.ts';

export interface ActionsOptions {
  /** Makes a new client id, never the same twice. */
  makeId: () => string;
  /** A number from 0 up to 1, evenly spread. */
  random: () => number;
  /** Keeps actions beyond the page, if anything does. */
  journal: Journal | undefined;
  subscriptions: Subscriptions;
  /** What actions are predicted to do whose callers say nothing about it, by name. */
  predictions: ReadonlyMap<string, Prediction>;
  /** The client's clock, in milliseconds. */
  now: () => number;
  /** An action failed whose caller is gone: it was brought before a reload. */
  onLateError: (error: FluxError, action: PendingAction) => void;
}

/** Whoever brings an action wants to know: */
export interface Asker {
  resolve(reply: Json): void;
  reject(error: FluxError): void;
  /** Everything held here shows what it did. */
  settled(): void;
}

export class Actions {
  readonly #options: ActionsOptions;
  readonly #own: Outbox;
  /** Of pages before this one. */
  #left: Outbox[] = [];
  /** The one whose client id the connection speaks for. */
  #current: Outbox;

  constructor(options: ActionsOptions) {
    this.#options = options;
    this.#own = this.#current = new Outbox(options.makeId, options.random, options.journal);
  }

  /** The client id to say `hello` with (§2). */
  get client(): string {
    return this.#current.client;
  }

  /** When {@link send} has to be called again though nothing has come, if at all. */
  get deadline(): number | undefined {
    return this.#current.deadline;
  }

  /** Bring an action; its prediction shows from the next rebase on. */
  add(brought: Brought, predict: Prediction | undefined, asker: Asker, maxFrame: number): void {
    this.#own.add(brought, this.#caller(brought, predict, asker), maxFrame);
  }

  /**
   * Take over what another page left.
   *
   * @returns True if it is to be sent now: a new connection must say `hello` for it.
   */
  adopt(actions: readonly KeptAction[]): boolean {
    const { makeId, random, journal } = this.#options;
    for (const client of new Set(actions.map((action) => action.client))) {
      const mine = actions.filter((action) => action.client === client);
      const caller = (action: Brought): Caller => this.#caller(action, undefined, this.#late(action));
      this.#left.push(Outbox.restored(mine, caller, makeId, random, journal));
    }
    return this.#turn();
  }

  /** The frames that may be sent now, in order. */
  send(maxFrame: number): Dispatch[] {
    return this.#current.send(maxFrame, this.#options.now());
  }

  /**
   * Take an outcome.
   *
   * @returns True if a new connection must say `hello`, for another client id.
   */
  settle(outcome: Outcome): boolean {
    const renewed = this.#current.settle(outcome, this.#options.now());
    return this.#turn() || renewed;
  }

  /** The connection is lost. */
  lost(): void {
    this.#current.lost();
  }

  /** Nothing will be sent any more. */
  close(error: FluxError): void {
    for (const outbox of [this.#own, ...this.#left]) outbox.close(error);
  }

  /** Go on to the next client id, once the one at hand has no more to say. */
  #turn(): boolean {
    if (this.#current.size > 0) return false;
    this.#left = this.#left.filter(({ size }) => size > 0);
    const next = this.#left[0] ?? this.#own;
    if (next === this.#current) return false;
    this.#current = next;
    return true;
  }

  #late(brought: Brought): Asker {
    const ignore = (): void => undefined;
    const reject = (error: FluxError): void => this.#options.onLateError(error, { ...brought, stage: 'local' });
    return { resolve: ignore, reject, settled: ignore };
  }

  #caller(brought: Brought, predict = this.#options.predictions.get(brought.name), asker: Asker): Caller {
    const { subscriptions, now } = this.#options;
    const { pending } = subscriptions;
    const entry = pending.add({ ...brought, stage: 'local' }, predict, asker.settled);
    return {
      sent: () => {
        entry.sentAt = now();
      },
      resolve: (reply: Json, versions: JsonObject) => {
        subscriptions.accept(entry, versions, now());
        asker.resolve(reply);
      },
      reject: (error) => {
        pending.drop(entry);
        subscriptions.catchUp(now());
        asker.reject(error);
      },
    };
  }
}
