import type { Journal, NumberedAction } from './outbox.ts';
import type { KeptStore } from './subscriptions.ts';

/** What a persistence sees and does of a client. */
export interface Page {
  /** Every document there is. */
  dehydrate(): KeptStore[];
  /** Show documents of before. */
  hydrate(stores: readonly KeptStore[]): void;
  /** Send what another page has left of a client id, in the order of the numbers and under these alone. */
  adopt(client: string, actions: readonly NumberedAction[]): void;
}

/**
 * Keeps the actions and documents of one actor beyond the page; `persist` of `fluxwire/persist` makes one.
 *
 * No method throws: where nothing can be kept, a client works on without.
 */
export interface Persistence extends Journal {
  /** Whose they are; a connection for anybody else is refused. */
  readonly actor: string;
  /**
   * Take over what nobody else has, and later what other pages leave when they end. Called once.
   *
   * @returns Settles once what was there is with the page; the client connects then.
   */
  open(page: Page): Promise<void>;
  /** Settles once everything that was to be kept is written; `undefined` if it is. Nothing is sent before. */
  readonly writing: Promise<void> | undefined;
  /**
   * The documents have changed: keep them, and none that were kept before and are not among them.
   *
   * @param last - The page may end at any moment: do it now.
   */
  changed(last?: boolean): void;
  /** The page ends: whatever is kept is for others. */
  close(): void;
  /** Keep nothing, of this actor, in any tab: after a sign-out. */
  wipe(): Promise<void>;
}
