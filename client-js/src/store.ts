import { applyPatch, PatchError } from './patch.ts';
import type { Snapshot, Subscribed, Update } from './frames.ts';
import type { Json } from './json.ts';

/**
 * One store as this client holds it: the document of one store key and how it is fed.
 *
 * Pure state; {@link Subscriptions} feeds it and tells those who listen.
 */
export class Store {
  readonly key: string;
  /** The document as pending actions will probably leave it; `undefined` if none predicts anything. */
  predicted: Json | undefined;
  #document: Json | undefined;
  #epoch: string | undefined;
  #version: number | undefined;
  /** What the connection brings: nothing, first a snapshot, or the chain of updates. */
  #feed: 'nothing' | 'snapshot' | 'chain' = 'nothing';
  /** The version that a resume has to reach. */
  #target = 0;

  /**
   * @param key - The store key, as the front names it.
   * @param document - What to show until the first snapshot.
   */
  constructor(key: string, document?: Json) {
    this.key = key;
    this.#document = document;
  }

  get document(): Json | undefined {
    return this.#document;
  }

  get epoch(): string | undefined {
    return this.#epoch;
  }

  get version(): number | undefined {
    return this.#version;
  }

  /** True while the document is as new as the front's. */
  get live(): boolean {
    return this.#feed === 'chain' && this.#version !== undefined && this.#version >= this.#target;
  }

  /** What a subscription names to resume (§3); empty if there is nothing to continue from. */
  get resume(): { epoch?: string; version?: number } {
    if (this.#epoch === undefined || this.#version === undefined) return {};
    return { epoch: this.#epoch, version: this.#version };
  }

  /**
   * A subscription was accepted.
   *
   * @returns False if its feed continues from something that is not held: subscribe anew.
   */
  begin(subscribed: Subscribed): boolean {
    if (!subscribed.resumed) {
      this.#feed = 'snapshot';
      return true;
    }
    // §3: the connection held the key already, and nothing follows.
    if (this.#feed !== 'nothing') return true;
    if (this.#version === undefined || this.#epoch !== subscribed.epoch) return false;
    this.#feed = 'chain';
    this.#target = subscribed.version;
    return true;
  }

  /** Start from here, whatever was held before (§3). */
  replace(snapshot: Snapshot): void {
    if (this.#feed === 'nothing') return;
    this.#feed = 'chain';
    this.#document = snapshot.document;
    this.#epoch = snapshot.epoch;
    this.#version = this.#target = snapshot.version;
  }

  /**
   * Continue the chain by one link (§3).
   *
   * @returns False if it does not fit: subscribe anew.
   */
  update(update: Update): boolean {
    if (this.#feed !== 'chain') return true;
    if (this.#version === undefined || update.epoch !== this.#epoch) return false;
    if (update.to <= this.#version) return true;
    if (update.from !== this.#version) return false;
    try {
      this.#document = applyPatch(this.#document as Json, update.patch);
    } catch (error) {
      // A patch that does not fit means that the documents have parted: heal as from a gap.
      if (error instanceof PatchError) return false;
      throw error;
    }
    this.#version = update.to;
    return true;
  }

  /** Go on from a document of before, unless there is one already. */
  recall({ document, epoch, version }: { document: Json; epoch: string; version: number }): void {
    if (this.#document !== undefined) return;
    this.#document = document;
    this.#epoch = epoch;
    this.#version = version;
  }

  /** The connection is lost; document and version stay, to resume from. */
  pause(): void {
    this.#feed = 'nothing';
  }

  /** Resume from nothing; the document stays to be shown until a snapshot comes. */
  forget(): void {
    this.#feed = 'nothing';
    this.#epoch = this.#version = undefined;
  }
}
