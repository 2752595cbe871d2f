/**
 * The chat's looks: a room with all that is hard to show, in light, dark, and on a telephone, with axe over each.
 *
 * Arguments: the address of the page, the path of Chromium, and a folder to write screenshots into, if they are wanted.
 * Prints one JSON object a line, as chat.mjs does.
 */
import { createRequire } from 'node:module';
import { chromium } from 'playwright-core';

const [url, executablePath, folder] = process.argv.slice(2);
const axe = createRequire(import.meta.url).resolve('axe-core/axe.min.js');
const LIMIT_MS = 30_000;
const browser = await chromium.launch({ executablePath, args: ['--no-sandbox', '--disable-gpu'] });
let current = 'start';

async function step(name, work) {
  current = name;
  const begun = performance.now();
  await work();
  say({ step: name, seconds: (performance.now() - begun) / 1000 });
}

function say(line) {
  process.stdout.write(`${JSON.stringify(line)}\n`);
}

async function comes(name, options = {}) {
  const context = await browser.newContext({ viewport: { width: 1200, height: 760 }, reducedMotion: 'reduce', ...options });
  context.setDefaultTimeout(LIMIT_MS);
  const page = await context.newPage();
  await page.goto(url);
  await found(page);
  await page.getByLabel('Your name').fill(name);
  await page.getByRole('button', { name: 'Come in' }).click();
  await page.getByRole('status').filter({ hasText: /^Live$/ }).waitFor();
  return page;
}

/** Throws if axe finds anything. */
async function found(page) {
  await page.addScriptTag({ path: axe });
  const { violations } = await page.evaluate(() => globalThis.axe.run());
  const told = violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html.slice(0, 160)).join(' | ')}`);
  if (told.length > 0) throw new Error(told.join('\n'));
}

async function picture(page, name) {
  if (folder !== undefined) await page.screenshot({ path: `${folder}/${name}.png` });
}

const log = (page) => page.getByRole('log');

async function posts(page, text) {
  const composer = page.getByRole('textbox', { name: /^Message to / });
  await composer.fill(text);
  await composer.press('Enter');
}

async function opens(page, title) {
  await page.getByRole('link', { name: title }).click();
  const join = page.getByRole('button', { name: `Join ${title}` });
  const composer = page.getByRole('textbox', { name: `Message to ${title}` });
  await join.or(composer).first().waitFor();
  if (await join.isVisible()) await join.click();
  await composer.waitFor();
}

const LONG = 'Hubert-Blaine-Wolfeschlegelsteinhausenbergerdorff-the-Elder';

async function scenario() {
  let ada;
  let long;

  await step('a room with long names, other scripts, code and links', async () => {
    ada = await comes('Ada');
    await ada.getByLabel('Title of a new room').fill('Tea kitchen');
    await ada.getByRole('button', { name: 'Create' }).click();
    await ada.getByRole('heading', { name: 'Tea kitchen', exact: true }).waitFor();
    await posts(ada, 'Good morning! Who is in for tea?');
    await posts(ada, 'The new kettle is described at https://example.org/kettle?colour=green.');
    long = await comes(LONG);
    await opens(long, 'Tea kitchen');
    await posts(long, 'I am, if `kettle.boil()` does not throw this time.');
    await posts(long, '```\nselect * from tea.shelf\n where stock > 0;\n```');
    const salma = await comes('سلمى');
    await opens(salma, 'Tea kitchen');
    await posts(salma, 'صباح الخير! شاي بالنعناع من فضلكم ☕');
    await log(ada).getByText('صباح الخير').waitFor();
    await posts(ada, 'One with mint, coming.');
    await log(long).getByText('One with mint, coming.').waitFor();
  });

  await step('light', async () => {
    await found(long);
    await picture(long, 'chat-light');
  });

  await step('dark', async () => {
    await long.emulateMedia({ colorScheme: 'dark' });
    await found(long);
    await picture(long, 'chat-dark');
  });

  await step('no page is wider than its window, down to a telephone', async () => {
    const phone = await comes('Grace', { viewport: { width: 390, height: 760 }, hasTouch: true, isMobile: true });
    await opens(phone, 'Tea kitchen');
    await posts(phone, 'On my way up.');
    await log(phone).getByText('On my way up.').waitFor();
    await found(phone);
    await picture(phone, 'chat-phone');
    const beyond = await phone.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
    if (beyond > 0) throw new Error(`${beyond} pixels too wide`);
  });

  await step('keys alone will do: to a room, through its messages, and to an answer', async () => {
    await long.getByRole('link', { name: 'Tea kitchen' }).focus();
    await long.keyboard.press('Enter');
    for (const role of ['log', 'textbox']) {
      let reached = false;
      for (let tab = 0; tab < 20 && !reached; tab += 1) {
        await long.keyboard.press('Tab');
        const target = role === 'log' ? log(long) : long.getByRole('textbox', { name: /^Message to / });
        reached = await target.evaluate((node) => node === document.activeElement);
      }
      if (!reached) throw new Error(`Tab never comes to the ${role}`);
    }
    await long.keyboard.type('Typed blindly.');
    await long.keyboard.press('Enter');
    await log(ada).getByText('Typed blindly.').waitFor();
  });

  await step('what came while one read further up is counted, and marked when one comes back', async () => {
    for (let n = 0; n < 30; n += 1) await posts(long, `a long story, part ${n}`);
    await log(ada).getByText('a long story, part 29').waitFor();
    await log(ada).evaluate((list) => list.scrollTo({ top: 0 }));
    await log(ada).getByText('Good morning!').waitFor();
    await posts(long, 'And they lived happily.');
    const button = ada.getByRole('button', { name: '1 new message' });
    await button.click();
    await log(ada).getByText('And they lived happily.').waitFor();
    await button.waitFor({ state: 'detached' });
    await ada.evaluate(() => {
      location.hash = '';
    });
    await log(ada).waitFor({ state: 'detached' });
    await posts(long, 'Until Tuesday.');
    await opens(ada, 'Tea kitchen');
    await log(ada).getByText('New', { exact: true }).waitFor();
    await found(ada);
    await picture(ada, 'chat-new');
  });
}

try {
  await scenario();
} catch (error) {
  say({ error: error.message, step: current });
  process.exitCode = 1;
} finally {
  await browser.close();
}
