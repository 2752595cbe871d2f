/**
 * The tutorial's page in two windows.
 *
 * Arguments: the address of the page, and the path of Chromium. Prints {"next": true} whenever the tutorial's next
 * block is to be done, and {"done": true} at the end; throws at what does not hold.
 */
import { chromium } from 'playwright-core';

const [url, executablePath] = process.argv.slice(2);
const browser = await chromium.launch({ executablePath, args: ['--no-sandbox', '--disable-gpu', '--disable-quic'] });
const faults = [];

async function opened() {
  const page = await (await browser.newContext()).newPage();
  page.setDefaultTimeout(30_000);
  page.on('pageerror', (error) => faults.push(error.message));
  await page.goto(url);
  await page.getByRole('heading', { name: 'Lunch' }).waitFor();
  return page;
}

const choice = (page, text) => page.getByRole('button', { name: text, exact: true });
const say = (line) => process.stdout.write(`${JSON.stringify(line)}\n`);

const one = await opened();
const other = await opened();
await one.getByPlaceholder('Another choice').fill('soup');
await one.getByRole('button', { name: 'Add' }).click();
await choice(other, 'soup: 1').click();
await choice(one, 'soup: 2').waitFor();

say({ next: true }); // rows are written with psql
for (const page of [one, other]) {
  await choice(page, 'soup: 40').waitFor();
  await choice(page, 'salad: 2').waitFor();
}

say({ next: true }); // another title is saved
for (const page of [one, other]) await page.getByRole('heading', { name: 'What shall we have for lunch?' }).waitFor();

await browser.close();
if (faults.length > 0) throw new Error(faults.join('\n'));
say({ done: true });
