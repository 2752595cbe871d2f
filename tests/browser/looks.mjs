/**
 * The chat's looks: a room with all that is hard to show, in light, dark, and on a telephone, with axe over each.
 *
 * Words: the address of the page, and a folder to write screenshots into, if they are wanted.
 */
import { createRequire } from 'node:module';
import { comes, composer, creates, log, opens, posts } from './person.mjs';
import { ask, equal, step } from './scenario.mjs';

const axe = createRequire(import.meta.url).resolve('axe-core/axe.min.js');
const WINDOW = { viewport: { width: 1200, height: 760 }, reducedMotion: 'reduce' };
const PHONE = { ...WINDOW, viewport: { width: 390, height: 760 }, hasTouch: true, isMobile: true };
const LONG = 'Hubert-Blaine-Wolfeschlegelsteinhausenbergerdorff-the-Elder';

/** What was said in the tea kitchen before: written into the database by somebody else. */
const BEFORE = `
  with
  rooms as (
    insert into chat.room (room, title, created_by, created_at) values
      ('release', 'Release 0.2', 'Grace', now()), ('reading-group', 'Reading group', 'Grace', now()),
      ('music', 'موسيقى', 'سلمى', now())
  )
  insert into chat.message (id, room, author, body, sent_at) values
    (gen_random_uuid(), 'tea-kitchen', 'Ada', 'The kettle has given up.', now() - interval '1 day 1 minute'),
    (gen_random_uuid(), 'tea-kitchen', 'Grace', 'It had a long life. I will bring one.', now() - interval '1 day'),
    (gen_random_uuid(), 'tea-kitchen', 'Ada', 'Good morning! Who is in for tea?', now() - interval '12 minutes')`;

/** Throws if axe finds anything. */
async function found(page) {
  await page.addScriptTag({ path: axe });
  const { violations } = await page.evaluate(() => globalThis.axe.run());
  const told = violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html.slice(0, 160)).join(' | ')}`);
  if (told.length > 0) throw new Error(told.join('\n'));
}

export default async function looks(browser, url, folder) {
  const picture = async (page, name) => {
    if (folder !== undefined) await page.screenshot({ path: `${folder}/${name}.png` });
  };

  let ada;
  let long;

  await step('a room of two days, with long names, other scripts, code and links', async () => {
    ada = await comes(browser, url, 'Ada', { ...WINDOW, atDoor: found });
    await creates(ada, 'Tea kitchen');
    await ask('sql', BEFORE);
    long = await comes(browser, url, LONG, WINDOW);
    await opens(long, 'Release 0.2');
    await opens(long, 'Tea kitchen');
    const salma = await comes(browser, url, 'سلمى', WINDOW);
    await opens(salma, 'Tea kitchen');
    await posts(ada, 'The new kettle is described at https://example.org/kettle?colour=green.');
    await log(long).getByRole('link', { name: 'https://example.org/kettle?colour=green', exact: true }).waitFor();
    await posts(long, 'I am, if `kettle.boil()` does not throw this time.');
    await posts(long, '```\nselect * from tea.shelf\n where stock > 0;\n```');
    await log(ada).getByText('where stock').waitFor();
    await posts(salma, 'صباح الخير! شاي بالنعناع من فضلكم');
    const greeting = log(ada).getByText('صباح الخير');
    equal(await greeting.evaluate((node) => getComputedStyle(node).direction), 'rtl');
    await posts(ada, 'One with mint, coming.');
    await log(long).getByText('One with mint, coming.').waitFor();
    for (const day of ['Yesterday', 'Today']) await log(long).getByRole('heading', { name: day }).waitFor();
    await log(long).getByText(/^1\d min\.? ago$/).first().waitFor();
  });

  await step('a room that is not open says how many messages came, also after a reload, until it is read', async () => {
    await ask('post', 'Grace', 'release', ['Candidate two is out.', 'Please try it before tea.']);
    const unread = long.getByRole('link', { name: 'Release 0.2 2 unread' });
    await unread.waitFor();
    await long.reload();
    await unread.waitFor();
    await ask('post', 'Grace', 'release', ['And after it.']);
    await long.getByRole('link', { name: 'Release 0.2 3 unread' }).waitFor();
    // Who was never there is told nothing.
    equal(await ada.getByText('unread').count(), 0);
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
    const phone = await comes(browser, url, 'Grace', PHONE);
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
        const target = role === 'log' ? log(long) : composer(long);
        reached = await target.evaluate((node) => node === document.activeElement);
      }
      if (!reached) throw new Error(`Tab never comes to the ${role}`);
    }
    await long.keyboard.type('Typed blindly.');
    await long.keyboard.press('Enter');
    await log(ada).getByText('Typed blindly.').waitFor();
  });

  await step('what came while one read further up is counted, and marked when one comes back', async () => {
    await ask('post', LONG, 'tea-kitchen', Array.from({ length: 30 }, (_value, n) => `a long story, part ${n}`));
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
    await ada.getByRole('link', { name: 'Tea kitchen 1 unread' }).click();
    await log(ada).getByText('New', { exact: true }).waitFor();
    await ada.getByRole('link', { name: 'Tea kitchen', exact: true }).waitFor();
    await found(ada);
    await picture(ada, 'chat-new');
  });
}
