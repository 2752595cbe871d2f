/** The tutorial's page in two windows. Words: the address of the page. */
import { ask, LIMIT_MS } from './scenario.mjs';

const choice = (page, text) => page.getByRole('button', { name: text, exact: true });

export default async function tutorial(browser, url) {
  const faults = [];
  const opened = async () => {
    const page = await (await browser.newContext()).newPage();
    page.setDefaultTimeout(LIMIT_MS);
    page.on('pageerror', (error) => faults.push(error.message));
    await page.goto(url);
    await page.getByRole('heading', { name: 'Lunch' }).waitFor();
    return page;
  };

  const one = await opened();
  const other = await opened();
  await one.getByPlaceholder('Another choice').fill('soup');
  await one.getByRole('button', { name: 'Add' }).click();
  await choice(other, 'soup: 1').click();
  await choice(one, 'soup: 2').waitFor();

  await ask('next'); // rows are written with psql
  for (const page of [one, other]) {
    await choice(page, 'soup: 40').waitFor();
    await choice(page, 'salad: 2').waitFor();
  }

  await ask('next'); // another title is saved
  for (const page of [one, other]) await page.getByRole('heading', { name: 'What shall we have for lunch?' }).waitFor();

  if (faults.length > 0) throw new Error(faults.join('\n'));
}
