/**
 * Which members are large objects. Those who look at these find them here; large.ts, which changes them, need not be
 * there yet.
 */
import type { Json, JsonObject } from './json.ts';

/** One change; `value` is `undefined` where the member went. */
export interface Change {
  readonly name: string;
  readonly value: Json | undefined;
  /** Where the last change of the same member before this one stands; -1 if there is none. */
  readonly before: number;
}

/** What has happened to an object. Each {@link LargeObject} on it has seen its beginning, up to a length of its own. */
export interface History {
  readonly base: JsonObject;
  readonly changes: Change[];
  /** Where the newest change of a member stands. */
  readonly newest: Map<string, number>;
  /** The last one of the history before this one: the same members. */
  past: LargeObject | undefined;
}

/** What can be seen of a large object. */
export interface LargeObject {
  readonly history: History;
  /** How much of its history it has seen. */
  readonly length: number;
  /** The plain object; the same one each time. */
  readonly whole: JsonObject;
  /** A member; `undefined` if there is none. */
  get(name: string): Json | undefined;
  /** The object at the beginning of its history. */
  begun(): LargeObject;
}

/** Members that are large, by the object that they are members of. */
export const members: WeakMap<object, Map<string, LargeObject>> = new WeakMap();

/** The member as a large object, if it is one that a patch has changed. */
export function largeMember(parent: object, name: string): LargeObject | undefined {
  return members.get(parent)?.get(name);
}
