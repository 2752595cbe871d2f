/**
 * The frames of a WebSocket over plain HTTP (docs/http.md): a stream of events, or one long poll after the other.
 *
 * No request belongs to a front: any of them answers the next one. Where one fails the connection is lost, as a
 * WebSocket would be; the client comes back and resumes.
 */
import type { Up } from './frames.ts';
import { makeLetters, PONG } from './letters.ts';
import type { Letters } from './letters.ts';
import type { Socket, SocketListener, Transport } from './transport.ts';

/** The least time between polls that bring nothing, in milliseconds: a front that is about to end answers at once. */
export const PAUSE_MS = 1_000;

/** What brings frames as they happen, for the stores of these letters. */
export type Source = (
  letters: Letters,
  take: { hear: (text: string) => void; alive: () => void; end: (code: number, reason: string) => void },
) => { close(): void };

/** Events come as they happen; actions go by requests of their own. */
export const events: Transport = (url, listener) => {
  return open(url, listener, (letters, { hear, alive, end }) => {
    const request = new AbortController();
    void ask(url, 'events', letters.letter(), request, end, async (answer) => {
      for await (const line of lines(answer)) {
        // A comment is a sign of life.
        if (line.startsWith(':')) alive();
        if (line.startsWith('data:')) hear(line.slice('data:'.length));
      }
      end(1006, 'the stream has ended');
    });
    return { close: () => request.abort() };
  });
};

/** Every request is answered once there is something to say. For networks in which nothing lasts. */
export const polls: Transport = (url, listener) => open(url, listener);

/** Ask; what goes wrong ends the connection, unless the request was given up. */
async function ask(
  url: string,
  path: string,
  body: string,
  { signal }: AbortController,
  end: (code: number, reason: string) => void,
  take: (answer: Response) => Promise<void>,
): Promise<void> {
  const headers = { 'content-type': 'application/json' };
  try {
    const answer = await fetch(new URL(path, url.replace(/^ws/, 'http')), { method: 'POST', headers, body, signal });
    if (answer.ok) return await take(answer);
    const { close: code = 1006, detail = '' } = (await answer.json()) as { close?: number; detail?: string };
    end(code, detail);
  } catch (error) {
    if (!signal.aborted) end(1006, String(error));
  }
}

/**
 * A socket whose actions go by polls.
 *
 * @param source - Where the stores' frames come from; by polls as well unless given.
 */
export function open(url: string, listener: SocketListener, source?: Source): Socket {
  const letters = makeLetters();
  let over = false;
  /** Something was said that the request which waits for news does not know. */
  let changed = false;
  /** A sign of life is wanted at once. */
  let pinged = false;
  /** A request with actions is under way. */
  let acting = false;
  /** The poll that waits for news. */
  let waiting = new AbortController();
  let stream: { close(): void } | undefined;
  /** The one with actions, beside a stream. */
  const beside = new AbortController();
  /** Ends {@link more}. */
  let stir = (): void => undefined;
  let soon = false;

  const close = (): void => {
    over = true;
    stream?.close();
    waiting.abort();
    beside.abort();
    stir();
  };

  const end = (code: number, reason: string): void => {
    if (over) return;
    close();
    listener.closed(code, reason);
  };

  const deliver = (texts: string[]): void => {
    for (const text of texts) if (!over) listener.message(text);
  };

  /** Until something is said, or for so many milliseconds. */
  const more = (ms?: number): Promise<void> => {
    return new Promise((resolve) => {
      stir = resolve;
      if (ms !== undefined) setTimeout(resolve, ms);
    });
  };

  /** One poll, and what it brings. */
  const poll = async (body: string, controller: AbortController, hear: (text: string) => string[]): Promise<void> => {
    const began = performance.now();
    let news = false;
    await ask(url, 'poll', body, controller, end, async (answer) => {
      for (const frame of (await answer.json()) as { type: string }[]) {
        const texts = hear(JSON.stringify(frame));
        news ||= texts.length > 0 && frame.type !== 'welcome';
        deliver(texts);
      }
    });
    const left = began + PAUSE_MS - performance.now();
    if (!news && !changed && !over && left > 0) await more(left);
  };

  /** Send actions until all of them have their outcomes. */
  const act = async (): Promise<void> => {
    if (acting) return;
    acting = true;
    while (letters.actions > 0 && !over) await poll(letters.letter(), beside, letters.hearOutcome);
    acting = false;
  };

  const hear = (text: string): void => {
    const { type, code, reason } = JSON.parse(text) as { type: string; code: number; reason: string };
    if (type === 'closed') end(code, reason);
    else deliver(letters.hear(text));
  };

  const listen = (from: Source): void => {
    changed = false;
    stream?.close();
    let current = true;
    // What was given up is not heard any more, whatever it still says.
    const mine = <Given extends unknown[]>(take: (...given: Given) => void) => (...given: Given) => {
      if (current && !over) take(...given);
    };
    const source = from(letters, { hear: mine(hear), alive: mine(() => deliver([PONG])), end: mine(end) });
    stream = {
      close() {
        current = false;
        source.close();
      },
    };
  };

  /** Poll as long as there is anything to ask for. */
  const pollOn = async (): Promise<void> => {
    for (;;) {
      while (!over && !changed && letters.actions === 0 && letters.stores.length === 0) await more();
      if (over) return;
      waiting = new AbortController();
      acting = !pinged && letters.actions > 0;
      const body = letters.letter(pinged);
      changed = pinged = false;
      await poll(body, waiting, letters.hear);
    }
  };

  const go = (): void => {
    soon = false;
    if (over) return;
    stir();
    if (source !== undefined) {
      if (changed) listen(source);
      void act();
    } else if (changed && (pinged || !acting)) {
      // What waits is given up for what was said since; with actions in it, it comes to its end by itself.
      waiting.abort();
    }
  };

  queueMicrotask(() => {
    if (over) return;
    if (source === undefined) void pollOn();
    listener.opened();
  });
  return {
    send(text) {
      const frame = JSON.parse(text) as Up;
      letters.say(frame);
      pinged ||= frame.type === 'ping';
      changed ||= source === undefined || frame.type !== 'dispatch';
      if (!soon) queueMicrotask(go);
      soon = true;
    },
    close,
  };
}

/** The lines of an answer, as they come. */
async function* lines(answer: Response): AsyncGenerator<string> {
  const reader = answer.body?.pipeThrough(new TextDecoderStream()).getReader();
  let rest = '';
  for (;;) {
    const { done, value = '' } = (await reader?.read()) ?? { done: true };
    const [first = '', ...more] = value.split('\n');
    rest += first;
    for (const line of more) {
      yield rest;
      rest = line;
    }
    if (done) return;
  }
}
