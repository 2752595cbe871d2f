/**
 * What the close codes of §6 ask of a client.
 */

/** `come back` with back-off, `sign in` with another token, or `stop`: it would only happen again. */
export type Advice = 'come back' | 'sign in' | 'stop';

/** Wrong data, in the words of RFC 6455. */
const WRONG_DATA: readonly number[] = [1002, 1003, 1007, 1009];
/** No `hello` in time: the one code of its range that says nothing about the token. */
const NO_HELLO = 4102;

/** What to do after a close code; one that nobody has heard of is judged by its range. */
export function adviceFor(code: number): Advice {
  const range = Math.floor(code / 100);
  if (range === 40 || WRONG_DATA.includes(code)) return 'stop';
  if (range === 41 && code !== NO_HELLO) return 'sign in';
  return 'come back';
}
