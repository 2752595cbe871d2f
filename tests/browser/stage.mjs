/**
 * One Chromium, in which scenarios are played one after the other.
 *
 * Argument: the path of Chromium. Each line on the input, {"play", "words"}, names a file here whose default export is
 * called with the browser and the words. Prints {"done": true} after it, or {"error", "step"} if a step did not hold.
 */
import { chromium } from 'playwright-core';
import { current, heard, say } from './scenario.mjs';

const FLAGS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

const [executablePath] = process.argv.slice(2);
const browser = await chromium.launch({ executablePath, args: FLAGS });
for (let next = await heard(); next !== undefined; next = await heard()) {
  try {
    const { default: play } = await import(`./${next.play}.mjs`);
    await play(browser, ...next.words);
    say({ done: true });
  } catch (error) {
    say({ error: error.message, step: current });
  }
  await Promise.all(browser.contexts().map((context) => context.close()));
}
await browser.close();
