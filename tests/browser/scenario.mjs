/**
 * What scenarios are told with: steps that hold, and things that only the test around them can do.
 *
 * Everything is one JSON object a line: {"step", "seconds"} on the output after each step that held; {"ask", "given"}
 * for the test to do something, which it says by a line on the input.
 */
import { createInterface } from 'node:readline';

/** How long anything may take, in milliseconds. */
export const LIMIT_MS = 40_000;

const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();

/** The step that is under way. */
export let current = '';

/** One thing that has to hold; the first that does not ends the scenario. */
export async function step(name, work) {
  current = name;
  const begun = performance.now();
  await work();
  say({ step: name, seconds: (performance.now() - begun) / 1000 });
}

export function say(line) {
  process.stdout.write(`${JSON.stringify(line)}\n`);
}

/** The next line of the test; `undefined` once it has no more. */
export async function heard() {
  const { value } = await lines.next();
  return value === undefined ? undefined : JSON.parse(value);
}

/** Have the test do something, and wait for what it answers. */
export function ask(what, ...given) {
  say({ ask: what, given });
  return heard();
}

/** Throws unless both are the same as JSON. */
export function equal(found, expected) {
  const [is, should] = [JSON.stringify(found), JSON.stringify(expected)];
  if (is !== should) throw new Error(`${is} instead of ${should}`);
}

/** Loads a page, also where those who answer for it were killed: they are back in a moment. */
export async function loaded(load) {
  const until = performance.now() + LIMIT_MS;
  while (!(await load().catch(() => undefined))) {
    if (performance.now() > until) throw new Error('no front answers');
  }
}
