import type { WireError } from './frames.ts';

/**
 * Why an action or a store failed.
 *
 * `code` is one of §6 of the protocol, the application's own (`flux.reject`), or one made here: `closed` (the client
 * was closed before an answer came), `too_large` (no front would take the frame) or `queue_full`.
 */
export class FluxError extends Error {
  override name = 'FluxError';
  declare readonly code: string;
  /** The violated constraint of the database, if `code` is `constraint`. */
  declare readonly constraint?: string;
  /** The column that needs a value, if that is the constraint. */
  declare readonly column?: string;

  constructor({ message, ...members }: WireError) {
    super(message);
    Object.assign(this, members);
  }
}

/** An error of the client's own. */
export function fault(code: string, message: string): FluxError {
  return new FluxError({ code, message });
}

/** A frame that no front would take; it is not sent, since it would cost the connection (§1). */
export function tooLarge(name: string, maxFrame: number): FluxError {
  return fault('too_large', `${name} takes more than ${maxFrame} bytes.`);
}
