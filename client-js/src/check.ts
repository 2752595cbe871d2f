/** Whether a store that a client holds is what the front has, asked now and then or by somebody who doubts it; healed if not. */
import type { Client } from './client.ts';
import type { Down, Snapshot } from './frames.ts';
import { randomId } from './id.ts';
import { canonical } from './json.ts';
import type { Json } from './json.ts';
import { preload } from './preload.ts';
import type { StoreRef } from './refs.ts';
import type { KeptStore } from './subscriptions.ts';

export interface CheckOptions {
  /** Where a front listens, as of the client. */
  url: string;
  /** A token that may read the store. */
  token: string;
}

export interface Checked {
  /** Whether both were the same document. */
  readonly same: boolean;
  /** Where they were not: whether they are since the client has had the whole of it sent anew. */
  readonly healed: boolean;
  /** The version at which both stood. */
  readonly version: number;
  /** SHA-256 of the documents' canonical JSON (RFC 8785), as `fluxwire check` takes it. */
  readonly held: string;
  readonly expected: string;
  /** How often this client has had this store sent anew since a check, in the last hour; three times at most. */
  readonly renewals: number;
}

/** How often both are asked until they stand at the same version. */
const TRIES = 20;

/** How long to wait for the store to move before both are asked again, in milliseconds. */
const PAUSE_MS = 250;

/** How often a store is sent anew in {@link WITHIN_MS} at most: what parts again and again is not healed by it. */
const RENEWALS = 3;
const WITHIN_MS = 3_600_000;

/** When the stores of a client were sent anew, by what they are called. */
const renewed = new WeakMap<Client, Map<string, number[]>>();

/** SHA-256 of a document's canonical JSON (RFC 8785), in hexadecimal. */
export async function hashOf(document: Json): Promise<string> {
  const digest = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(canonical(document)));
  return Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, '0')).join('');
}

/**
 * Compare a store as the client holds it, without predictions, with a snapshot that a front gives anew.
 *
 * Where they are not the same, the client has the whole of it sent anew and shows what it has meanwhile, and both are
 * compared once more.
 *
 * @throws Error if the front gives none, or if the two never stand at the same version: it changes all the time.
 */
export async function check<Document>(client: Client, ref: StoreRef<Document>, options: CheckOptions): Promise<Checked> {
  let moved = (): void => undefined;
  const leave = client.store(ref).subscribe(() => moved());
  const compared = (): Promise<Compared> => compare(client, ref, options, (heard) => (moved = heard));
  try {
    await preload(client, ref);
    const found = await compared();
    const times = renewalsOf(client, ref);
    let healed = false;
    if (!found.same && times.length < RENEWALS) {
      times.push(performance.now());
      client.renew(ref);
      healed = (await compared()).same;
    }
    return { ...found, healed, renewals: times.length };
  } finally {
    leave();
  }
}

type Compared = Omit<Checked, 'healed' | 'renewals'>;

/** @param listen - Takes what is to be called when the store has moved. */
async function compare(
  client: Client,
  ref: StoreRef<unknown>,
  options: CheckOptions,
  listen: (moved: () => void) => void,
): Promise<Compared> {
  for (let attempt = 0; attempt < TRIES; attempt += 1) {
    const before = heldBy(client, ref);
    const { epoch, version, document } = await snapshot(ref, options);
    // Where the snapshot was overtaken by an update, or the update is on its way, it is asked for again.
    const kept = [before, heldBy(client, ref)].find((one) => one?.epoch === epoch && one.version === version);
    if (kept === undefined) {
      await new Promise<void>((resolve) => {
        listen(resolve);
        setTimeout(resolve, PAUSE_MS);
      });
      continue;
    }
    const [held, expected] = await Promise.all([hashOf(kept.document), hashOf(document)]);
    return { same: held === expected, version, held, expected };
  }
  throw new Error('The store and its snapshot never stood at the same version.');
}

/** When this store was sent anew in the last hour; to be added to. */
function renewalsOf(client: Client, { name, params }: StoreRef<unknown>): number[] {
  const stores = renewed.get(client) ?? new Map<string, number[]>();
  renewed.set(client, stores);
  const key = `${name}${canonical(params)}`;
  const times = (stores.get(key) ?? []).filter((time) => performance.now() - time < WITHIN_MS);
  stores.set(key, times);
  return times;
}

function heldBy(client: Client, { name, params }: StoreRef<unknown>): KeptStore | undefined {
  const found = client.dehydrate().filter((one) => one.name === name && canonical(one.params) === canonical(params));
  return found.at(-1);
}

async function snapshot({ name, params }: StoreRef<unknown>, { url, token }: CheckOptions): Promise<Snapshot> {
  const hello = { type: 'hello', protocols: [1], token, client: randomId() };
  const subscribe = { type: 'subscribe', stores: [{ id: 1, name, params }] };
  const answer = await fetch(new URL('poll', url.replace(/^ws/, 'http')), {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify([hello, subscribe]),
  });
  if (!answer.ok) throw new Error(`The front answers ${answer.status}.`);
  const frames = (await answer.json()) as Down[];
  const refused = frames.find((frame) => frame.type === 'unsubscribed');
  if (refused !== undefined) throw new Error(refused.error.message);
  const found = frames.find((frame) => frame.type === 'snapshot');
  if (found === undefined) throw new Error('The front gives no snapshot.');
  return found;
}
