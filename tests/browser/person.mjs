/** Somebody at the chat's page, and what there is to be done and seen. */
import { LIMIT_MS } from './scenario.mjs';

/** Uncaught errors of all pages, with whose they are. */
export const faults = [];

/** A browser of its own for somebody, signed in. `prepare` gets the page before anything is loaded. */
export async function comes(browser, url, name, { prepare = () => undefined, atDoor = () => undefined, ...options } = {}) {
  const context = await browser.newContext(options);
  context.setDefaultTimeout(LIMIT_MS);
  const page = await context.newPage();
  page.on('pageerror', (error) => faults.push(`${name}: ${error.message}`));
  await prepare(page);
  await page.goto(url);
  await atDoor(page);
  await page.getByLabel('Your name').fill(name);
  await page.getByRole('button', { name: 'Come in' }).click();
  await live(page);
  return page;
}

/** Opens a room that is not there yet. */
export async function creates(page, title) {
  await page.getByLabel('Title of a new room').fill(title);
  await page.getByRole('button', { name: 'Create' }).click();
  await heading(page, title);
}

/** Goes to a room, and joins it unless he has. */
export async function opens(page, title) {
  await page.getByRole('link', { name: title }).click();
  const join = page.getByRole('button', { name: `Join ${title}` });
  await join.or(composer(page)).first().waitFor();
  if (await join.isVisible()) await join.click();
  await composer(page).waitFor();
}

export async function posts(page, text) {
  await composer(page).fill(text);
  await composer(page).press('Enter');
}

export const composer = (page) => page.getByRole('textbox', { name: /^Message to / });
export const live = (page) => page.getByRole('status').filter({ hasText: /^Live$/ }).waitFor();
export const heading = (page, title) => page.getByRole('heading', { name: title, exact: true }).waitFor();
export const log = (page) => page.getByRole('log');
export const bodies = (page) => log(page).locator('.body');
export const unsent = (page) => log(page).locator('.body[data-unsent]');
export const sees = (page, text) => bodies(page).getByText(text, { exact: true }).waitFor();
export const none = (locator) => locator.first().waitFor({ state: 'detached' });

/** Every message from the first on, whose text is given: the list has only those in sight, and further ones as one scrolls. */
export async function all(page, first) {
  const list = log(page);
  const end = performance.now() + LIMIT_MS;
  while (!(await bodies(page).getByText(first, { exact: true }).isVisible())) {
    if (performance.now() > end) throw new Error(`the list never goes back to ${first}`);
    await list.evaluate((node) => node.scrollTo({ top: 0 }));
    await list.evaluate(() => new Promise((resolve) => requestAnimationFrame(resolve)));
  }
  return list.evaluate(async (node) => {
    const found = new Map();
    node.scrollTo({ top: 0 });
    for (let before = -1; before !== node.scrollTop; ) {
      before = node.scrollTop;
      for (let frame = 0; frame < 3; frame += 1) await new Promise((resolve) => requestAnimationFrame(resolve));
      for (const row of node.querySelectorAll('.row')) {
        const body = row.querySelector('.body');
        if (body !== null) found.set(Number(row.dataset.index), body.textContent);
      }
      node.scrollBy({ top: node.clientHeight / 2 });
    }
    return [...found].sort(([a], [b]) => a - b).map(([, text]) => text);
  });
}
