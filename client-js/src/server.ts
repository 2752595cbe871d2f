/** For servers that render pages: stores over plain HTTP (docs/http.md), and a client that shows them and nothing else. */
import { createClient } from './client.ts';
import type { Client } from './client.ts';
import { FluxError } from './errors.ts';
import { canonical } from './json.ts';
import type { Json } from './json.ts';
import type { StoreRef } from './refs.ts';
import type { KeptStore } from './subscriptions.ts';

export interface PrefetchOptions {
  /** The token of whoever the page is for; without one, what guests may read. */
  token?: string;
  /** Asks; the platform's `fetch` unless given. */
  fetch?: typeof fetch;
  signal?: AbortSignal;
}

/**
 * Read stores over HTTP, for {@link rendering} here and `client.hydrate` in the page, which resumes from them.
 *
 * @param url - Where a front is, for example `http://front:8000`.
 * @throws FluxError if a store may not be read; what `fetch` throws if no front answers.
 */
export function prefetch(
  url: string,
  refs: readonly StoreRef<unknown>[],
  { token, fetch = globalThis.fetch, signal }: PrefetchOptions = {},
): Promise<KeptStore[]> {
  const init: RequestInit = { headers: token === undefined ? {} : { authorization: `Bearer ${token}` } };
  if (signal !== undefined) init.signal = signal;
  return Promise.all(
    refs.map(async ({ name, params }) => {
      const address = new URL(`/stores/${encodeURIComponent(name)}`, url);
      for (const [argument, value] of Object.entries(params)) address.searchParams.set(argument, asText(value));
      const answer = await fetch(address, init);
      const document = (await answer.json()) as Json;
      if (!answer.ok) {
        const { code, detail } = document as { code: string; detail: string };
        throw new FluxError({ code, message: detail });
      }
      const epoch = String(answer.headers.get('fluxwire-epoch'));
      const version = Number(answer.headers.get('fluxwire-version'));
      // The page's front says the store's key; until then one of its own will do.
      return { name, params, key: `${name}${canonical(params)}`, epoch, version, document };
    }),
  );
}

/**
 * A client that shows these stores and asks nobody: for the time in which a page is rendered.
 *
 * Its hooks give what the page's first render will give, so that the two agree. Close it afterwards.
 */
export function rendering(stores: readonly KeptStore[]): Client {
  const transport = () => ({ send: () => undefined, close: () => undefined });
  const client = createClient({ url: 'ws://rendering.invalid', token: '', transport });
  client.hydrate(stores);
  return client;
}

/** A parameter as an address has it; the database casts it. */
function asText(value: Json): string {
  return typeof value === 'string' ? value : JSON.stringify(value);
}
