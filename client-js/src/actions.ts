/**
 * All actions of a page: sent by an {@link Outbox}, predicted in the stores, and told to those who brought them.
 */
import type { FluxError } from './errors.ts';
import type { Json } from './json.ts';
import { makeOutbox } from './outbox.ts';
import type { Brought, Caller, NumberedAction, Outbox, OutboxOptions } from './outbox.ts';
import type { PendingAction, Prediction } from './pending.ts';
import type { Subscriptions } from './subscriptions.ts';

export interface ActionsOptions extends OutboxOptions {
  subscriptions: Subscriptions;
  /** What actions are predicted to do whose callers say nothing about it, by name. */
  predictions: ReadonlyMap<string, Prediction>;
  /** The client's clock, in milliseconds. */
  now: () => number;
  /** An action failed whose caller is gone: it was brought before a reload. */
  onLateError: ((error: FluxError, action: PendingAction) => void) | undefined;
}

/** Whoever brings an action wants to know: */
export interface Asker {
  resolve(reply: Json): void;
  reject(error: FluxError): void;
  /** Everything held here shows what it did. */
  settled(): void;
}

/** Made by {@link makeActions}. */
export interface Actions {
  readonly outbox: Outbox;
  /** Bring an action; its prediction shows from the next rebase on. */
  add(brought: Brought, predict: Prediction | undefined, asker: Asker, maxFrame: number): void;
  /** Take over what another page left of one client id, in the order of the numbers. */
  adopt(client: string, actions: readonly NumberedAction[]): void;
}

/** No action yet. */
export function makeActions(options: ActionsOptions): Actions {
  const { subscriptions, predictions, now, onLateError } = options;
  const { pending } = subscriptions;
  const outbox = makeOutbox(options);

  const makeCaller = (brought: Brought, predict?: Prediction, asker?: Asker): Caller => {
    const action: PendingAction = { ...brought, stage: 'local' };
    const entry = pending.add(action, predict ?? predictions.get(brought.name), asker?.settled);
    return {
      sent() {
        entry.sentAt = now();
      },
      resolve(reply, versions) {
        subscriptions.accept(entry, versions, now());
        asker?.resolve(reply);
      },
      reject(error) {
        pending.drop(entry);
        subscriptions.catchUp(now());
        if (asker !== undefined) asker.reject(error);
        else onLateError?.(error, action);
      },
    };
  };

  return {
    outbox,
    add(brought, predict, asker, maxFrame) {
      outbox.add(brought, makeCaller(brought, predict, asker), maxFrame);
    },
    adopt(client, actions) {
      outbox.adopt(client, actions.map(({ number, ...brought }) => ({ number, brought, caller: makeCaller(brought) })));
    },
  };
}
