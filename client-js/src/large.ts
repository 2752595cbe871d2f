/**
 * Objects of many members, changed without being copied.
 *
 * A copy of 10,000 members takes milliseconds, as each is hashed anew. So a patch of such an object writes down what has
 * changed, and the object as a whole is made when somebody reads it, once for each that is read.
 */
import type { Json, JsonObject } from './json.ts';

/** An object of more members than this is large. */
export const LARGE = 128;

/** After so many changes the object is made anew, whether or not anybody reads it. */
const CHANGES = 1_024;

/** One change; `value` is `undefined` where the member went. */
export interface Change {
  readonly name: string;
  readonly value: Json | undefined;
  /** Where the last change of the same member before this one stands; -1 if there is none. */
  readonly before: number;
}

/** What has happened to an object. Each {@link Large} on it has seen its beginning, up to a length of its own. */
export interface History {
  readonly base: JsonObject;
  readonly changes: Change[];
  /** Where the newest change of a member stands. */
  readonly newest: Map<string, number>;
  /** The last one of the history before this one: the same members. */
  past: Large | undefined;
}

/** A large object. It never changes: {@link with} makes another one, which shares all that it can. */
export class Large {
  readonly history: History;
  /** How much of its history it has seen. */
  readonly length: number;
  #whole: JsonObject | undefined;

  constructor(history: History, length: number) {
    this.history = history;
    this.length = length;
  }

  static of(base: JsonObject, past?: Large): Large {
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
    return Object.hasOwn(base, name) ? base[name] : undefined;
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
      put(whole, name, value === undefined ? (base[name] as Json) : value);
      if (value !== undefined) now.delete(name);
    }
    for (const [name, value] of now) put(whole, name, value);
    return whole;
  }
}

/** Set a member; assigning "__proto__" would set the prototype, so that one is defined. */
export function put(object: JsonObject, name: string, value: Json): void {
  if (name === '__proto__') {
    Object.defineProperty(object, name, { value, writable: true, enumerable: true, configurable: true });
  } else object[name] = value;
}

/** Members that are large, by the object that they are members of. */
const members = new WeakMap<object, Map<string, Large>>();

/** The member as a large object, if it is one that a patch has changed. */
export function largeMember(parent: object, name: string): Large | undefined {
  return members.get(parent)?.get(name);
}

/** Make a large object a member: whoever reads it gets the plain one. */
export function putLarge(parent: JsonObject, name: string, large: Large): void {
  const known = members.get(parent) ?? new Map<string, Large>();
  members.set(parent, known.set(name, large));
  Object.defineProperty(parent, name, { get: () => large.whole, enumerable: true, configurable: true });
}

/** Let a member be a plain one again. */
export function removeLarge(parent: JsonObject, name: string): void {
  if (members.get(parent)?.delete(name)) {
    Object.defineProperty(parent, name, { value: null, writable: true, enumerable: true, configurable: true });
  }
}

/** A copy that reads no large member. */
export function copyObject(object: JsonObject): JsonObject {
  const known = members.get(object);
  if (known === undefined || known.size === 0) return { ...object };
  const copy: JsonObject = {};
  for (const name of Object.keys(object)) {
    const large = known.get(name);
    if (large === undefined) put(copy, name, object[name] as Json);
    else putLarge(copy, name, large);
  }
  return copy;
}

/** Whether an object is worth being {@link Large}. */
export function isLarge(object: JsonObject): boolean {
  return Object.keys(object).length > LARGE;
}
