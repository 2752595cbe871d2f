/**
 * What the close codes of §6 ask of a client.
 */

/** `come back` with back-off, `sign in` with another token, or `stop`: it would only happen again. */
export type Advice = 'come back' | 'sign in' | 'stop';

/** The codes that §6 lists, in its order. */
export const CLOSE_CODES: Readonly<Record<number, Advice>> = {
  1000: 'come back',
  1001: 'come back',
  1005: 'come back',
  1006: 'come back',
  1011: 'come back',
  1012: 'come back',
  4001: 'stop',
  4002: 'stop',
  4003: 'stop',
  4004: 'stop',
  1003: 'stop',
  1007: 'stop',
  1009: 'stop',
  1002: 'stop',
  4100: 'sign in',
  4101: 'sign in',
  4102: 'come back',
  4200: 'come back',
  4201: 'come back',
  4202: 'come back',
  4203: 'come back',
  4204: 'come back',
  4205: 'come back',
};

/** What to do after a close code; one that is not listed is judged by its range. */
export function adviceFor(code: number): Advice {
  const listed = CLOSE_CODES[code];
  if (listed !== undefined) return listed;
  if (code >= 4000 && code < 4100) return 'stop';
  if (code >= 4100 && code < 4200) return 'sign in';
  return 'come back';
}
