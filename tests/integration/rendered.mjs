/**
 * Pages rendered on a server, with the oldest React that the hooks are for and with the newest, and gone on with.
 *
 * Arguments: the fronts' address, a token. Prints what happened, one JSON object for each React.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { JSDOM } from 'jsdom';
import { rolldown } from 'rolldown';
import { createClient } from '../../client-js/dist/index.js';
import { events } from '../../client-js/dist/http.js';

const [front, token] = process.argv.slice(2);
const url = `${front.replace('http', 'ws')}/ws`;
const path = (name) => fileURLToPath(new URL(name, import.meta.url));
const { window } = new JSDOM('<!doctype html>');
for (const name of ['window', 'document', 'navigator', 'MutationObserver']) globalThis[name] ??= window[name];

const client = createClient({ url, token, transport: events });
await client.dispatch({ name: 'create_room' }, { room: 'rendered' });
await client.dispatch({ name: 'join_room' }, { room: 'rendered' });
const act = () => client.dispatch({ name: 'post_message' }, { room: 'rendered', body: 'hello' });
await act();

const folder = mkdtempSync(path('../../node_modules/.rendered-'));
try {
  for (const modules of ['../react-18/node_modules', '../../node_modules']) {
    const alias = { react: path(`${modules}/react`), 'react-dom': path(`${modules}/react-dom`) };
    const bundle = await rolldown({ input: path('rendered_page.mjs'), platform: 'node', resolve: { alias } });
    const { output } = await bundle.generate({ format: 'esm' });
    for (const { fileName, code } of output) writeFileSync(join(folder, fileName), code);
    const { run } = await import(`${pathToFileURL(join(folder, output[0].fileName))}?${modules}`);
    console.log(JSON.stringify(await run({ front, url, token, act })));
  }
} finally {
  rmSync(folder, { recursive: true });
  await client.close();
}
