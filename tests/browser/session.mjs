/**
 * Somebody types in the chat while fronts are killed, the network is cut and the tab is loaded anew.
 *
 * Words: the address of the page. At the end every message is there once and in the order in which it was typed: on
 * the page, on somebody else's, with a client in Python, and in the database.
 */
import { cable } from './cable.mjs';
import { all, comes, composer, creates, faults, live, none, opens, sees, unsent } from './person.mjs';
import { ask, equal, loaded, step } from './scenario.mjs';

export default async function session(browser, url) {
  const way = await cable(url);
  try {
    await types(browser, url, way);
  } finally {
    way.remove();
  }
}

async function types(browser, url, way) {
  const written = [];
  let ada;
  let bob;
  let sockets = 0;

  /** Types messages key by key, and so sends them. */
  const write = async (count) => {
    for (let n = 0; n < count; n += 1) {
      written.push(`line ${written.length}`);
      await composer(ada).pressSequentially(written.at(-1));
      await composer(ada).press('Enter');
    }
  };
  const cut = async () => {
    way.cut();
    await ada.context().setOffline(true);
  };
  const mend = async () => {
    way.mend();
    await ada.context().setOffline(false);
  };
  const reload = async () => {
    await loaded(() => ada.reload());
    await composer(ada).waitFor();
  };

  await step('two people are in a room', async () => {
    const prepare = (page) => page.on('websocket', () => (sockets += 1));
    [ada, bob] = await Promise.all([comes(browser, way.url, 'ada', { prepare }), comes(browser, url, 'bob')]);
    await creates(ada, 'Storm');
    await opens(bob, 'Storm');
    await write(3);
    await sees(bob, 'line 2');
  });

  await step('every front is killed while one types', async () => {
    const before = sockets;
    const typing = write(12);
    for (const front of ['front-1', 'front-2']) await ask('kill', front);
    await typing;
    await sees(bob, written.at(-1));
    if (sockets === before) throw new Error('the connection outlived its front');
  });

  await step('the network is cut while one types', async () => {
    await write(3);
    await cut();
    await write(6);
    await ada.getByText('No connection.').waitFor();
    equal((await unsent(ada).allTextContents()).slice(-6), written.slice(-6));
    equal(await bob.getByText(written.at(-1), { exact: true }).count(), 0);
    await mend();
    await write(3);
  });

  await step('the tab is loaded anew while one types', async () => {
    await write(5);
    await reload();
    await write(5);
    await sees(bob, written.at(-1));
  });

  await step('and all of it at once', async () => {
    await write(3);
    await cut();
    await write(3);
    await mend();
    const killed = ask('kill', 'front');
    await write(3);
    await killed;
    await reload();
    await write(3);
  });

  await step('every message is there once, and in order, wherever one looks', async () => {
    await live(ada);
    await sees(bob, written.at(-1));
    await none(unsent(ada));
    equal(await all(ada, 'line 0'), written);
    equal(await all(bob, 'line 0'), written);
    equal(await ask('shown', 'carol', 'storm'), written);
    equal(await ask('sql', "select array_agg(body order by sent_at) from chat.message where room = 'storm'"), written);
    equal(faults, []);
  });
}
