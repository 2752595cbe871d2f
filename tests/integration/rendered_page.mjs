/** A page that shows a store, rendered on a server and gone on with in a browser; bundled with whichever React. */
import { createElement, version } from 'react';
import { hydrateRoot } from 'react-dom/client';
import { renderToString } from 'react-dom/server';
import { createClient } from '../../client-js/dist/index.js';
import { events } from '../../client-js/dist/http.js';
import { FluxProvider, useStore } from '../../client-js/dist/react.js';
import { prefetch, rendering } from '../../client-js/dist/server.js';

const ref = { name: 'room', params: { room: 'rendered' } };

function Page() {
  const { data, status } = useStore(ref);
  return createElement('h1', null, `${status}: ${Object.keys(data?.messages ?? {}).length} messages`);
}

const within = (client) => createElement(FluxProvider, { client }, createElement(Page));

/** Once the page says this. */
const says = (root, text) =>
  new Promise((resolve) => {
    const look = () => root.textContent === text && resolve();
    new MutationObserver(look).observe(root, { subtree: true, childList: true, characterData: true });
    look();
  });

/** What the server rendered, what the page's client heard until it showed the same live, and what React complained of. */
export async function run({ front, url, token, act }) {
  const stores = await prefetch(front, [ref], { token });
  const there = rendering(stores);
  const html = renderToString(within(there));
  await there.close();

  const heard = [];
  const client = createClient({
    url,
    token,
    transport: (address, listener, failures) =>
      events(address, {
        ...listener,
        opened: () => listener.opened(),
        closed: (code, reason) => listener.closed(code, reason),
        message(text) {
          const { type, resumed } = JSON.parse(text);
          // Signs of life are no news.
          if (type !== 'pong') heard.push(resumed === undefined ? type : `${type}, resumed: ${resumed}`);
          listener.message(text);
        },
      }, failures),
  });
  client.hydrate(JSON.parse(JSON.stringify(stores)));
  const root = document.createElement('div');
  root.innerHTML = html;
  const heading = root.querySelector('h1');
  const complaints = [];
  const page = hydrateRoot(root, within(client), { onRecoverableError: (error) => complaints.push(String(error)) });
  const count = Object.keys(stores[0].document.messages).length;
  await says(root, `live: ${count} messages`);
  const before = [...heard];
  await act();
  await says(root, `live: ${count + 1} messages`);
  const same = root.querySelector('h1') === heading;
  page.unmount();
  await client.close();
  return { version, html, heard: before, after: heard.slice(before.length), complaints, same };
}
