/**
 * What the TypeScript client costs a page in Chromium. Arguments: the path of Chromium, how many rounds, seconds a round.
 * Prints one JSON object a round.
 */
import { chromium } from 'playwright-core';
import { rolldown } from 'rolldown';

const [executablePath, rounds, seconds] = process.argv.slice(2);
const ROOM = 10_000;
const ADDRESS = 'http://bench.localhost/';

const bundle = await rolldown({
  input: new URL('../page/rows.tsx', import.meta.url).pathname,
  transform: { define: { 'process.env.NODE_ENV': '"production"' }, jsx: 'react-jsx' },
});
const { output } = await bundle.generate({ format: 'iife', minify: true });
const html = `<!doctype html><body><div id="root"></div><script>${output[0].code.replaceAll('</script', '<\\/script')}</script>`;

const browser = await chromium.launch({ executablePath, args: ['--no-sandbox', '--disable-gpu'] });

async function opened(context) {
  const page = await context.newPage();
  await page.route(`${ADDRESS}**`, (route) => route.fulfill({ contentType: 'text/html', body: html }));
  await page.goto(ADDRESS);
  return page;
}

async function inPage(call, ...given) {
  const context = await browser.newContext();
  const page = await opened(context);
  const found = await page.evaluate(([name, rest]) => globalThis[name](...rest), [call, given]);
  await context.close();
  return found;
}

async function cached(count) {
  const context = await browser.newContext();
  const before = await opened(context);
  await before.evaluate((given) => globalThis.keep(given), count);
  await before.close();
  const page = await opened(context);
  const found = await page.evaluate((given) => globalThis.cached(given), count);
  await context.close();
  return found;
}

const median = (numbers) => [...numbers].sort((a, b) => a - b)[Math.floor(numbers.length / 2)];

for (let round = 0; round < Number(rounds); round += 1) {
  const one = await inPage('one', ROOM, 60);
  const many = await inPage('many', ROOM, 1_000, Number(seconds));
  const line = { row: median(one.taken), rows: one.rows, frames: many.frames, sent: many.sent, cached: await cached(100) };
  console.log(JSON.stringify(line));
}
await browser.close();
