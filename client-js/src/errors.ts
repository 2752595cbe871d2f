import type { WireError } from './frames.ts';

/**
 * Why an action or a store failed.
 *
 * `code` is one of §6 of the protocol, the application's own (`flux.reject`), or one made here:
 * `closed` (the client was closed before an answer came) or `too_large` (no front would take the frame).
 */
export class FluxError extends Error {
  override name = 'FluxError';
  readonly code: string;
  /** The violated constraint of the database, if `code` is `constraint`. */
  readonly constraint: string | undefined;
  /** The column that needs a value, if that is the constraint. */
  readonly column: string | undefined;

  constructor({ code, message, constraint, column }: WireError) {
    super(message);
    this.code = code;
    this.constraint = constraint;
    this.column = column;
  }
}

/** A frame that no front would take; it is not sent, since it would cost the connection (§1). */
export function tooLarge(name: string, maxFrame: number): FluxError {
  return new FluxError({ code: 'too_large', message: `${name} takes more than ${maxFrame} bytes.` });
}

/** The client was closed before an answer came. */
export function closed(): FluxError {
  return new FluxError({ code: 'closed', message: 'The client was closed.' });
}
