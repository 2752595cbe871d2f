/**
 * Objects of many members, changed without being copied.
 *
 * A copy of 10,000 members takes milliseconds, as each is hashed anew. So a patch of such an object writes down what has
 * changed, and the object as a whole is made when somebody reads it, once for each that is read.
 */
import type { Json, JsonObject } from './json.ts';
import { largeMember, members } from './members.ts';
import type { Change, History, LargeObject } from './members.ts';
import { isLarge, plain } from './objects.ts';
import type { Objects } from './objects.ts';

/** After so many changes the object is made anew, whether or not anybody reads it. */
const CHANGES = 1_024;

/** A large object. It never changes: {@link with} makes another one, which shares all that it can. */
class Large implements LargeObject {
  readonly history: History;
  /** How much of its history it has seen. */
  readonly length: number;
  #whole: JsonObject | undefined;

  constructor(history: History, length: number) {
    this.history = history;
    this.length = length;
  }

  static of(base: JsonObject, past?: LargeObject): Large {
    return new Large({ base, changes: [], newest: new Map(), past }, 0);
  }

  /** The plain object; the same one each time. */
  get whole(): JsonObject {
    return (this.#whole ??= this.length === 0 ? this.history.base : this.#make());
  }

  /** A member; `undefined` if there is none. */
  get(name: string): Json | undefined {
    const { base, changes, newest } = this.history;
    let at = newest.get(name) ?? -1;
    while (at >= this.length) at = (changes[at] as Change).before;
    if (at >= 0) return (changes[at] as Change).value;
    return plain.get(base, name);
  }

  begun(): Large {
    return new Large(this.history, 0);
  }

  /** The object with another member, or without one if `value` is `undefined`. */
  with(name: string, value: Json | undefined): Large {
    if (this.length >= CHANGES || (this.length > 0 && this.#whole !== undefined)) {
      // One step back is enough for who follows; more would keep every object there ever was.
      this.history.past = undefined;
      return Large.of(this.whole, this).with(name, value);
    }
    const { base, changes, past } = this.history;
    let history = this.history;
    if (changes.length > this.length) {
      // Somebody has gone on from here already, another way.
      const mine = changes.slice(0, this.length);
      history = { base, changes: mine, newest: new Map(mine.map((change, at) => [change.name, at])), past };
    }
    history.changes.push({ name, value, before: history.newest.get(name) ?? -1 });
    history.newest.set(name, history.changes.length - 1);
    return new Large(history, history.changes.length);
  }

  #make(): JsonObject {
    const { base, changes } = this.history;
    const now = new Map<string, Json>();
    // Those that went, even if they came back: such a member stands last.
    const gone = new Set<string>();
    for (const { name, value } of changes.slice(0, this.length)) {
      if (value !== undefined) now.set(name, value);
      else {
        now.delete(name);
        gone.add(name);
      }
    }
    const whole: JsonObject = {};
    for (const name of Object.keys(base)) {
      if (gone.has(name)) continue;
      const value = now.get(name);
      plain.put(whole, name, value === undefined ? base[name] : value);
      if (value !== undefined) now.delete(name);
    }
    for (const [name, value] of now) plain.put(whole, name, value);
    return whole;
  }
}

/** Large objects stand for what they are, and their parents show the plain ones to whoever reads them. */
export const objects: Objects = {
  copy(object, parent) {
    if (object instanceof Large) return object;
    const shown = parent !== undefined && !Array.isArray(parent) && !(parent instanceof Large);
    return shown && isLarge(object) ? asObject(Large.of(object)) : copyOf(object);
  },
  get(object, name) {
    if (object instanceof Large) return object.get(name);
    const large = largeMember(object, name);
    return large === undefined ? plain.get(object, name) : asObject(large);
  },
  put(object, name, value) {
    if (object instanceof Large) return asObject(object.with(name, value));
    const large: unknown = value;
    if (large instanceof Large) show(object, name, large);
    else {
      if (members.get(object)?.delete(name)) Object.defineProperty(object, name, { value: null, writable: true });
      plain.put(object, name, value);
    }
    return object;
  },
};

/** A patch knows nothing of it, and only hands it on. */
function asObject(large: LargeObject): JsonObject {
  return large as unknown as JsonObject;
}

/** Make a large object a member: whoever reads it gets the plain one. */
function show(parent: JsonObject, name: string, large: LargeObject): void {
  const known = members.get(parent) ?? new Map<string, LargeObject>();
  members.set(parent, known.set(name, large));
  Object.defineProperty(parent, name, { get: () => large.whole, enumerable: true, configurable: true });
}

/** A copy that reads no large member. */
function copyOf(object: JsonObject): JsonObject {
  const known = members.get(object);
  if (known === undefined || known.size === 0) return plain.copy(object, undefined);
  const copy: JsonObject = {};
  for (const name of Object.keys(object)) {
    const large = known.get(name);
    if (large === undefined) plain.put(copy, name, object[name]);
    else show(copy, name, large);
  }
  return copy;
}
