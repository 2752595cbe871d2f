/** Two people in the chat, each in a browser of their own. Words: the address of the page. */
import { gate } from './gate.mjs';
import { all, bodies, comes, creates, faults, heading, live, none, posts, sees, unsent } from './person.mjs';
import { ask, equal, step } from './scenario.mjs';

/** Counts, frame by frame, how often a text is in the log; the returned function tells the counts without repetition. */
async function watch(page, text) {
  await page.evaluate((wanted) => {
    globalThis.counts = [];
    const look = () => {
      const bodies = [...document.querySelectorAll('[role=log] .body')];
      const count = bodies.filter(({ textContent }) => textContent === wanted).length;
      if (globalThis.counts.at(-1) !== count) globalThis.counts.push(count);
      requestAnimationFrame(look);
    };
    look();
  }, text);
  return () => page.evaluate(() => globalThis.counts);
}

export default async function chat(browser, url) {
  let ada;
  let bob;
  let way;
  await step('two people sign in', async () => {
    const prepare = async (page) => {
      way = await gate(page);
    };
    [ada, bob] = await Promise.all([comes(browser, url, 'ada', { prepare }), comes(browser, url, 'bob')]);
  });

  await step('a room that one opens is in the list of the other', async () => {
    await creates(ada, 'Lobby');
    await bob.getByRole('link', { name: 'Lobby' }).click();
    await bob.getByRole('button', { name: 'Join Lobby' }).click();
    await ada.getByRole('complementary', { name: 'Members' }).getByText('bob', { exact: true }).waitFor();
  });

  await step('a message is on both screens', async () => {
    await posts(ada, 'hello, bob');
    await Promise.all([sees(ada, 'hello, bob'), sees(bob, 'hello, bob')]);
  });

  await step('an own message is in sight at once and once, from the first frame to the last', async () => {
    const counts = await watch(ada, 'steady');
    await posts(ada, 'steady');
    equal(await bodies(ada).getByText('steady', { exact: true }).count(), 1);
    await sees(bob, 'steady');
    await none(unsent(ada));
    equal(await counts(), [0, 1]);
  });

  await step('what is written without a connection is in sight, and survives a reload with all the rest', async () => {
    way.shut();
    await posts(ada, 'first unsent');
    await posts(ada, 'second unsent');
    await ada.getByRole('status').filter({ hasText: '2 messages wait for the connection.' }).waitFor();
    await ada.getByText('No connection.').waitFor();
    const before = await bodies(ada).allTextContents();
    await ada.reload();
    await unsent(ada).getByText('second unsent', { exact: true }).waitFor();
    equal(await bodies(ada).allTextContents(), before);
    equal(await unsent(ada).allTextContents(), ['first unsent', 'second unsent']);
    equal(await bodies(bob).getByText('first unsent', { exact: true }).count(), 0);
  });

  await step('once there is a connection it is sent, in order and once', async () => {
    way.open();
    await sees(bob, 'second unsent');
    await none(unsent(ada));
    await live(ada);
    equal(await bodies(ada).allTextContents(), await bodies(bob).allTextContents());
    equal((await bodies(bob).allTextContents()).slice(-2), ['first unsent', 'second unsent']);
  });

  await step('a message that is refused stays in sight with its reason, and can be tried again or discarded', async () => {
    const long = 'x'.repeat(4001);
    await ada.getByRole('textbox', { name: /^Message to / }).evaluate((field) => field.removeAttribute('maxlength'));
    await posts(ada, long);
    const failed = ada.getByRole('article', { name: 'Not sent:' });
    await failed.getByText('A message has at most 4000 characters.').waitFor();
    equal(await bodies(ada).getByText(long, { exact: true }).count(), 1);
    await failed.getByRole('button', { name: 'Try again' }).click();
    await failed.getByText('A message has at most 4000 characters.').waitFor();
    await failed.getByRole('button', { name: 'Discard' }).click();
    await failed.waitFor({ state: 'detached' });
  });

  await step('text is text: other scripts, and nothing that is run', async () => {
    const text = '<img src=x onerror="document.title=1"> שלום 日本 👩‍👩‍👧 & \\u0041';
    await posts(bob, text);
    await sees(ada, text);
    equal(await ada.title(), 'Lobby · Fluxwire chat');
  });

  await step('a new title is in the heading and in the list of the other', async () => {
    await ada.getByRole('button', { name: 'Rename this room' }).click();
    await ada.getByRole('textbox', { name: 'Rename this room' }).fill('The Lobby');
    await ada.keyboard.press('Enter');
    await heading(bob, 'The Lobby');
    await bob.getByRole('link', { name: 'The Lobby' }).waitFor();
  });

  await step('a new name is beside the messages that were sent under the old one', async () => {
    await bob.getByRole('button', { name: 'Change your name in this room' }).click();
    await bob.getByRole('textbox', { name: 'Change your name in this room' }).fill('Robert');
    await bob.keyboard.press('Enter');
    await ada.getByRole('log').getByText('Robert', { exact: true }).waitFor();
  });

  await step('a refused action says why', async () => {
    // In small letters it takes two characters: the room's id becomes longer than any may be.
    await ada.getByLabel('Title of a new room').fill('İ'.repeat(80));
    await ada.getByRole('button', { name: 'Create' }).click();
    await ada.getByRole('alert').getByRole('button', { name: 'Dismiss' }).click();
    await heading(ada, 'The Lobby');
  });

  await step('after a reload everything is there again', async () => {
    const before = await bodies(bob).allTextContents();
    await bob.reload();
    await sees(bob, 'hello, bob');
    equal(await bodies(bob).allTextContents(), before);
    await live(bob);
  });

  await step('when fronts, multiplexer, Valkey and Postgres are killed, what is said meanwhile arrives once', async () => {
    await ask('kill');
    await posts(ada, 'said while nobody could hear it');
    await sees(bob, 'said while nobody could hear it');
    await posts(bob, 'and answered');
    await sees(ada, 'and answered');
    await Promise.all([live(ada), live(bob)]);
    equal(await bodies(ada).allTextContents(), await bodies(bob).allTextContents());
    equal(await bodies(ada).getByText('said while nobody could hear it', { exact: true }).count(), 1);
  });

  await step('the list follows the newest, and goes back to the first message: each once, and in order', async () => {
    const texts = Array.from({ length: 105 }, (_value, index) => `message ${index}`);
    await ask('post', 'ada', 'lobby', texts);
    await sees(bob, 'message 104');
    const below = await bob.getByRole('log').evaluate((list) => list.scrollHeight - list.scrollTop - list.clientHeight);
    if (below > 2) throw new Error(`${below} pixels are below the newest message`);
    const whole = await all(bob, 'hello, bob');
    equal(whole.slice(-105), texts);
    equal(new Set(whole).size, whole.length);
  });

  await step('who leaves is gone from the other list, and may only read', async () => {
    await bob.getByRole('button', { name: 'Leave this room' }).click();
    await bob.getByRole('button', { name: 'Join The Lobby' }).waitFor();
    const members = ada.getByRole('complementary', { name: 'Members' });
    await members.getByText('Robert', { exact: true }).waitFor({ state: 'detached' });
  });

  await step('who signs out is at the door, also after a reload', async () => {
    await bob.getByRole('button', { name: 'Sign out' }).click();
    await bob.getByLabel('Your name').waitFor();
    await bob.reload();
    await bob.getByLabel('Your name').waitFor();
  });

  await step('whose token is not accepted is asked to sign in again', async () => {
    await ada.evaluate(() => {
      for (const key of Object.keys(sessionStorage)) {
        sessionStorage.setItem(key, sessionStorage.getItem(key).replace(/"token":"[^"]*/, '$&x'));
      }
    });
    await ada.reload();
    await ada.getByRole('alert').getByText('Your sign-in has ended.').waitFor();
    await ada.getByLabel('Your name').fill('ada');
    await ada.getByRole('button', { name: 'Come in' }).click();
    await sees(ada, 'message 104');
  });

  await step('no page had a fault', async () => equal(faults, []));
}
