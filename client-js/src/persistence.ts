import type { Journal, KeptAction } from './outbox.ts';
import type { KeptStore } from './subscriptions.ts';

/** What pages before this one left. */
export interface Left {
  readonly actions: readonly KeptAction[];
  readonly stores: readonly KeptStore[];
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
   * Take over what nobody else has. Called once.
   *
   * @param adopt - Called later with what other pages leave when they end.
   */
  open(adopt: (actions: readonly KeptAction[]) => void): Promise<Left>;
  /** Settles once everything that was to be kept is written; `undefined` if it is. Nothing is sent before. */
  readonly writing: Promise<void> | undefined;
  /** Keep these documents, and none that were kept before and are not among them. */
  keepStores(stores: readonly KeptStore[]): void;
  /** The page ends: whatever is kept is for others. */
  close(): void;
  /** Keep nothing, of this actor, in any tab: after a sign-out. */
  wipe(): Promise<void>;
}
