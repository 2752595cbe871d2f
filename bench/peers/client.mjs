/**
 * What the TypeScript client costs a page. Argument: how many rounds. Prints one JSON object a round: milliseconds to
 * apply a one-message patch to a room of 10,000, and to have its messages in order, by this client; the former by
 * fast-json-patch without changing the document before, and by immer; then one with the sizes of the entries in KiB,
 * minified and compressed.
 */
import oracle from 'fast-json-patch';
import { produce, setAutoFreeze } from 'immer';
import { ordered } from '../../client-js/dist/ordered.js';
import { largeMember } from '../../client-js/dist/members.js';
import { applyPatch } from '../../client-js/dist/patch.js';
import { size } from '../../client-js/size.mjs';

const ROOM = 10_000;
const TURNS = 300;

const message = (n) => ({ id: `0198${n}`, author: `actor-${n % 50}`, body: `message ${n}`, sent_at: '2026-01-01T00:00:00Z' });
const messages = Object.fromEntries(Array.from({ length: ROOM }, (_value, n) => [`0198${n}`, message(n)]));
const document = { room: { room: 'lobby', title: 'Lobby' }, members: {}, messages };

/** A message comes, the oldest goes: what a room that keeps its newest gets. */
const patch = (n) => [
  { op: 'add', path: `/messages/0198${ROOM + n}`, value: message(ROOM + n) },
  { op: 'remove', path: `/messages/0198${n}` },
];

/** Milliseconds for one patch, the mean of a chain of them. */
function measure(apply) {
  let current = document;
  const begun = performance.now();
  for (let n = 0; n < TURNS; n += 1) current = apply(current, patch(n));
  const taken = (performance.now() - begun) / TURNS;
  if (Object.keys(current.messages).length !== ROOM) throw new Error('a patch was not applied');
  return taken;
}

const ours = (before, operations) => applyPatch(before, operations);
const peers = (before, operations) => oracle.applyPatch(before, operations, false, false).newDocument;

// As this client does: what comes off a socket is not frozen.
setAutoFreeze(false);
const immers = (before, operations) =>
  produce(before, (draft) => {
    for (const { op, path, value } of operations) {
      const [, part, id] = path.split('/');
      if (op === 'remove') delete draft[part][id];
      else draft[part][id] = value;
    }
  });

const compare = (a, b) => (a < b ? -1 : a > b ? 1 : 0);
const inOrder = ordered('messages', (a, b) => compare(a.sent_at, b.sent_at) || compare(a.id, b.id));
const listed = (before, operations) => {
  const after = applyPatch(before, operations);
  if (inOrder(after).length !== ROOM) throw new Error('the list is not the room');
  return after;
};

// What knows of large objects is loaded with the first of them.
while (largeMember(applyPatch(document, patch(0)), 'messages') === undefined) await new Promise((resolve) => setTimeout(resolve));
measure(ours);
for (let round = 0; round < Number(process.argv[2]); round += 1) {
  console.log(JSON.stringify({ apply: measure(ours), list: measure(listed), peer: measure(peers), immer: measure(immers) }));
}

const kibibytes = async (entry) => (await size(`dist/${entry}.js`)) / 1024;

console.log(JSON.stringify({ core: await kibibytes('index'), react: await kibibytes('react') }));
