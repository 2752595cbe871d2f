/**
 * All actions of a page: its own, and those that pages before it left without an outcome.
 *
 * There is an {@link Outbox} for each client id, and a connection speaks for one of them. What was left goes first, one
 * id after the other; the page's own follow under an id that no other page ever had.
 */
import type { FluxError } from './errors.ts';
import type { Outcome } from './frames.ts';
import type { Json } from './json.ts';
import { makeOutbox } from './outbox.ts';
import type { Brought, Caller, Journal, NumberedAction, Outbox } from './outbox.ts';
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

/** All actions of a page; made by {@link makeActions}. */
export interface Actions {
  /** Those of the client id that the connection speaks for (§2). */
  readonly current: Outbox;
  /** Bring an action; its prediction shows from the next rebase on. */
  add(brought: Brought, predict: Prediction | undefined, asker: Asker, maxFrame: number): void;
  /**
   * Take over what another page left of one client id, in the order of the numbers.
   *
   * @returns True if it is to be sent now: a new connection must say `hello` for it.
   */
  adopt(client: string, actions: readonly NumberedAction[]): boolean;
  /**
   * Take an outcome.
   *
   * @returns True if a new connection must say `hello`, for another client id.
   */
  settle(outcome: Outcome): boolean;
  /** Nothing will be sent any more. */
  close(error: FluxError): void;
}

/** No action yet. */
export function makeActions(options: ActionsOptions): Actions {
  const { subscriptions, predictions, now, onLateError } = options;
  const { pending } = subscriptions;
  const own = makeOutbox(options);
  /** Of pages before this one. */
  let left: Outbox[] = [];
  let current = own;

  const makeCaller = (brought: Brought, predict: Prediction | undefined, asker: Asker): Caller => {
    const entry = pending.add({ ...brought, stage: 'local' }, predict ?? predictions.get(brought.name), asker.settled);
    return {
      sent() {
        entry.sentAt = now();
      },
      resolve(reply, versions) {
        subscriptions.accept(entry, versions, now());
        asker.resolve(reply);
      },
      reject(error) {
        pending.drop(entry);
        subscriptions.catchUp(now());
        asker.reject(error);
      },
    };
  };

  const late = (brought: Brought): Asker => {
    const ignore = (): void => undefined;
    return { resolve: ignore, settled: ignore, reject: (error) => onLateError(error, { ...brought, stage: 'local' }) };
  };

  /** Go on to the next client id, once the one at hand has no more to say. */
  const turn = (now = current.size === 0): boolean => {
    if (!now) return false;
    left = left.filter(({ size }) => size > 0);
    const before = current;
    current = left[0] ?? own;
    return current !== before;
  };

  return {
    get current() {
      return current;
    },
    add(brought, predict, asker, maxFrame) {
      own.add(brought, makeCaller(brought, predict, asker), maxFrame);
    },
    adopt(client, actions) {
      const outbox = makeOutbox(options, client);
      for (const { number, ...brought } of actions) {
        outbox.restore(number, brought, makeCaller(brought, undefined, late(brought)));
      }
      left.push(outbox);
      // It was brought before whatever this page has not sent yet.
      return turn(current === own && own.underWay === 0);
    },
    settle(outcome) {
      const renewed = current.settle(outcome, now());
      return turn() || renewed;
    },
    close(error) {
      for (const outbox of [own, ...left]) outbox.close(error);
    },
  };
}
