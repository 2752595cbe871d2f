import { FluxError } from 'fluxwire';

/** What went wrong, in a sentence for the user. */
export function sentence(error: unknown): string {
  // The constraints of chat's tables are named as the sentences that they hold to.
  if (error instanceof FluxError && error.constraint !== undefined) {
    const words = error.constraint.replaceAll('_', ' ');
    return `${words.charAt(0).toUpperCase()}${words.slice(1)}.`;
  }
  return error instanceof Error ? error.message : String(error);
}
