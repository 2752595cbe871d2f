/**
 * Several tabs on one connection: who wants which stores, and who gets which frames.
 *
 * Each tab says all it wants, with where its documents stand, and drops what it has heard before (letters.ts): so that
 * a frame may go to one tab too many, and none may miss one.
 *
 * Pure: frames to the front go out by the function given, those to a tab by its port.
 */
import type { Down, Subscribed, Unsubscribed, Update, Up, Wanted } from './frames.ts';
import type { Position } from './store.ts';

/** Takes the text of a frame to one tab. */
export type Port = (text: string) => void;

/** One store for one tab. */
interface Line {
  readonly port: Port;
  readonly wanted: Wanted;
  /** The store key, once the front has named it. */
  key?: string;
}

/** Made by {@link makeSwitchboard}. */
export interface Switchboard {
  /** Everything that a tab wants, and nothing else. */
  want(port: Port, stores: readonly Wanted[]): void;
  /** A frame about stores came; any other one is left alone. */
  hear(text: string): void;
}

/** @param send - Sends a frame on the connection. */
export function makeSwitchboard(send: (frame: Up) => void): Switchboard {
  const lines = new Map<number, Line>();
  /** Where the connection's chain stands, by store key. */
  const positions = new Map<string, Position>();
  /** Store keys of which a snapshot was asked for, or is on its way. */
  const coming = new Map<string, 'asked' | 'promised'>();
  let lastId = 0;
  let group: Update[] = [];
  let missing = 0;

  const linesOf = (key: string): [number, Line][] => [...lines].filter(([, line]) => line.key === key);

  const portsOf = (key: string): Set<Port> => new Set(linesOf(key).map(([, { port }]) => port));

  const drop = (ids: number[]): void => {
    if (ids.length === 0) return;
    for (const id of ids) lines.delete(id);
    send({ type: 'unsubscribe', ids });
    for (const key of [...positions.keys()]) if (linesOf(key).length === 0) positions.delete(key);
  };

  /** Have the whole of a store sent anew: the connection holds it already, and somebody has nothing of it. */
  const renew = (key: string): void => {
    coming.set(key, 'asked');
    const held = linesOf(key);
    send({ type: 'unsubscribe', ids: held.map(([id]) => id) });
    const stores = held.map(([id, { wanted: { name, params } }]) => ({ id, name, params }));
    send({ type: 'subscribe', stores });
  };

  const subscribed = (frame: Subscribed): void => {
    const line = lines.get(frame.id);
    if (line === undefined) return;
    const known = line.key === frame.store;
    const first = linesOf(frame.store).length === 0;
    line.key = frame.store;
    const { id, epoch, version } = line.wanted;
    const tell = (resumed: boolean): void => line.port(JSON.stringify({ ...frame, id, resumed }));
    if (!frame.resumed) coming.set(frame.store, 'promised');
    else if (first && epoch !== undefined && version !== undefined) positions.set(frame.store, { epoch, version });
    // The connection holds it for another tab as well: nothing follows.
    else if (!known) {
      const before = coming.has(frame.store) ? undefined : positions.get(frame.store);
      const same = before !== undefined && before.epoch === epoch && before.version === version;
      tell(same);
      if (!same && !coming.has(frame.store)) renew(frame.store);
      return;
      // Another tab was about to hold it when it was given up to be sent anew: so it was not given up.
    } else if (coming.get(frame.store) === 'asked') renew(frame.store);
    tell(frame.resumed);
  };

  const unsubscribed = (frame: Unsubscribed): void => {
    const line = lines.get(frame.id);
    lines.delete(frame.id);
    line?.port(JSON.stringify({ ...frame, id: line.wanted.id }));
  };

  /** Updates of one commit: whoever holds several of their stores gets these together. */
  const spread = (updates: readonly Update[]): void => {
    const shares = new Map<Port, string[]>();
    for (const update of updates) {
      const { store, epoch, to } = update;
      if (positions.has(store)) positions.set(store, { epoch, version: to });
      for (const port of portsOf(store)) shares.set(port, [...(shares.get(port) ?? []), JSON.stringify(update)]);
    }
    for (const [port, texts] of shares) {
      if (texts.length > 1) port(JSON.stringify({ type: 'commit', updates: texts.length }));
      for (const text of texts) port(text);
    }
  };

  return {
    want(port, stores) {
      const before = new Map([...lines].flatMap(([id, line]) => (line.port === port ? [[line.wanted.id, id]] : [])));
      const ids = new Set(stores.map(({ id }) => id));
      drop([...before].flatMap(([id, line]) => (ids.has(id) ? [] : [line])));
      const more = stores.filter(({ id }) => !before.has(id));
      const asked = more.map((wanted) => {
        lastId += 1;
        lines.set(lastId, { port, wanted });
        return { ...wanted, id: lastId };
      });
      // As many as a frame may name (§3), of sizes that were in a frame once already.
      while (asked.length > 0) send({ type: 'subscribe', stores: asked.splice(0, 100) });
    },
    hear(text) {
      const frame = JSON.parse(text) as Down;
      if (frame.type === 'subscribed') subscribed(frame);
      else if (frame.type === 'unsubscribed') unsubscribed(frame);
      else if (frame.type === 'commit') missing = frame.updates;
      else if (frame.type === 'snapshot') {
        const { store, epoch, version } = frame;
        positions.set(store, { epoch, version });
        coming.delete(store);
        for (const port of portsOf(store)) port(text);
      } else if (frame.type === 'update') {
        group.push(frame);
        missing = Math.max(0, missing - 1);
        if (missing > 0) return;
        const updates = group;
        group = [];
        spread(updates);
      }
    },
  };
}
