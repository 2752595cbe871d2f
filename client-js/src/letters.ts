/**
 * What a client says and hears over requests that each stand for themselves (docs/http.md).
 *
 * A client speaks as on a WebSocket. Every request says all of it anew: who asks, where each store stands, and which
 * actions have no outcome. What comes back is put in the order of a WebSocket again: what was heard before is dropped.
 *
 * Pure: texts in, texts out. Frames are checked by the connection, which gets them from here. No code is shared with
 * the client, so that those who never need this load one file.
 */
import type { Dispatch, Down, Hello, Subscribed, Up, Update, Wanted } from './frames.ts';

/** The longest body of a request, and the longest frame in it, in bytes. */
export const MOST_SAID = 262_144;
const MOST_IN_FRAME = 65_536;
/** The longest list of stores in one frame. */
const MOST_STORES = 1_000;

/** A front's signs of life come after as much silence as a client's: the client waits a little longer. */
const PATIENCE = 1.5;

/** How such a frame begins. */
const SUBSCRIBE = '{"type":"subscribe","stores":';

/** A sign of life, as a WebSocket brings it. */
export const PONG = '{"type":"pong"}';

interface Held extends Wanted {
  /** The store key, once a front has named it. */
  key?: string;
}

/** One client's side of such requests; made by {@link makeLetters}. */
export interface Letters {
  /** How many actions have no outcome. */
  readonly actions: number;
  /** The stores that are wanted, and where they stand. */
  readonly stores: readonly Wanted[];
  /** The client says something. */
  say(frame: Up): void;
  /**
   * The body of a request: all there is to say. Whatever was heard in part by the one before it is forgotten.
   *
   * @param alone - Only who asks: to be answered at once.
   */
  letter(alone?: boolean): string;
  /**
   * A front says something.
   *
   * @returns What a WebSocket would have brought instead: no frame, itself, or several.
   */
  hear(text: string): string[];
  /** The same, of an answer to actions while the stores are heard of elsewhere. */
  hearOutcome(text: string): string[];
}

/** Nothing said yet. */
export function makeLetters(): Letters {
  let hello: Hello | undefined;
  let welcomed = false;
  const wanted = new Map<number, Held>();
  /** Where the client's documents stand, by store key. */
  const positions = new Map<string, { epoch: string; version: number }>();
  const actions = new Map<number, Dispatch>();
  /** Not heard before all of it is there: a request may be given up in between. */
  let group: { text: string; frame: Update }[] = [];
  let missing = 0;

  const stores = (): Wanted[] => [...wanted.values()].map(({ key = '', ...one }) => ({ ...one, ...positions.get(key) }));

  const isHeld = (key: string): boolean => [...wanted.values()].some((one) => one.key === key);

  const subscribed = (frame: Subscribed): boolean => {
    const held = wanted.get(frame.id);
    if (held === undefined || held.key === frame.store) return false;
    const { epoch, version } = held;
    held.key = frame.store;
    if (!frame.resumed) {
      // The client waits for a snapshot now, whatever it had before.
      positions.delete(frame.store);
      delete held.epoch;
      delete held.version;
    } else if (epoch !== undefined && version !== undefined && !positions.has(frame.store)) {
      positions.set(frame.store, { epoch, version });
    }
    return true;
  };

  /** Whether a WebSocket would have brought it. */
  const isNew = (frame: Down): boolean => {
    if (frame.type === 'subscribed') return subscribed(frame);
    if (frame.type === 'unsubscribed') return wanted.delete(frame.id);
    if (frame.type === 'outcome') return actions.delete(frame.number);
    if (frame.type === 'snapshot') {
      const { store, epoch, version } = frame;
      const before = positions.get(store);
      if (!isHeld(store) || (before?.epoch === epoch && before.version === version)) return false;
      positions.set(store, { epoch, version });
      return true;
    }
    return frame.type === 'update' ? isNext(frame) : true;
  };

  const isNext = ({ store, epoch, to }: Update): boolean => {
    const before = positions.get(store);
    if (before === undefined || (before.epoch === epoch && to <= before.version)) return false;
    positions.set(store, { epoch, version: to });
    return true;
  };

  /** Once all updates of a commit are there, they go on together. */
  const gather = (text: string, frame: Update): string[] => {
    group.push({ text, frame });
    missing -= 1;
    if (missing > 0) return [];
    const texts = group.filter((one) => isNext(one.frame)).map((one) => one.text);
    group = [];
    return texts.length > 1 ? [JSON.stringify({ type: 'commit', updates: texts.length }), ...texts] : texts;
  };

  return {
    get actions() {
      return actions.size;
    },
    get stores() {
      return stores();
    },
    say(frame) {
      if (frame.type === 'hello') hello = frame;
      else if (frame.type === 'refresh') hello = hello && { ...hello, token: frame.token };
      else if (frame.type === 'subscribe') for (const one of frame.stores) wanted.set(one.id, one);
      else if (frame.type === 'dispatch') actions.set(frame.number, frame);
      else if (frame.type === 'unsubscribe') {
        for (const id of frame.ids) wanted.delete(id);
        for (const key of [...positions.keys()]) if (!isHeld(key)) positions.delete(key);
      }
    },
    letter(alone = false) {
      group = [];
      missing = 0;
      const texts = [JSON.stringify(hello)];
      if (!alone) {
        const subscribes = lists(stores().map((one) => JSON.stringify(one)), MOST_IN_FRAME - SUBSCRIBE.length, MOST_STORES);
        texts.push(...subscribes.map((list) => `${SUBSCRIBE}${list}}`));
        for (const action of actions.values()) texts.push(JSON.stringify(action));
      }
      // The rest is said another time.
      return lists(texts, MOST_SAID)[0] as string;
    },
    hear(text) {
      const frame = JSON.parse(text) as Down;
      if (frame.type === 'welcome') {
        // Whoever asks again is answered again: a sign of life.
        if (welcomed) return [PONG];
        welcomed = true;
        return [JSON.stringify({ ...frame, heartbeat_ms: frame.heartbeat_ms * PATIENCE })];
      }
      if (frame.type === 'commit') {
        missing = frame.updates;
        return [];
      }
      if (frame.type === 'update' && missing > 0) return gather(text, frame);
      return isNew(frame) ? [text] : [];
    },
    hearOutcome(text) {
      const frame = JSON.parse(text) as Down;
      return frame.type === 'outcome' && isNew(frame) ? [text] : [];
    },
  };
}

/** Texts as JSON lists of at most so many bytes and members. */
function lists(texts: string[], bytes: number, members: number = Infinity): string[] {
  const encoder = new TextEncoder();
  const all: string[][] = [];
  let left = 0;
  for (const text of texts) {
    const size = encoder.encode(text).length + 1;
    left -= size;
    if (left < 0 || (all.at(-1)?.length ?? Infinity) >= members) {
      all.push([]);
      left = bytes - 1 - size;
    }
    all.at(-1)?.push(text);
  }
  return all.map((list) => `[${list.join(',')}]`);
}
