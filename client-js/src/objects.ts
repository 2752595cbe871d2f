/** The objects of a document, as a patch reads and changes them. large.ts has another way with those of many members. */
import type { Json, JsonObject } from './json.ts';

/** A way to change objects. */
export interface Objects {
  /**
   * What a patch may change in the place of an object that is shown.
   *
   * @param parent - What it is a member of, as this gave it; `undefined` for a whole document.
   */
  copy(object: JsonObject, parent: Json | undefined): JsonObject;
  /** A member of its own, since a path must not lead through a prototype; `undefined` if there is none. */
  get(object: JsonObject, name: string): Json | undefined;
  /** The object with another member, or without one if `value` is `undefined`. */
  put(object: JsonObject, name: string, value: Json | undefined): JsonObject;
}

/** An object of more members than this is large. */
export const LARGE = 128;

/** Whether an object is worth another way than a copy. */
export function isLarge(object: JsonObject): boolean {
  return Object.keys(object).length > LARGE;
}

/** Copies. */
export const plain: Objects = {
  copy: (object) => ({ ...object }),
  get: (object, name) => (Object.hasOwn(object, name) ? object[name] : undefined),
  put(object, name, value) {
    if (value === undefined) delete object[name];
    else if (name !== '__proto__') object[name] = value;
    // Assigning would set the prototype.
    else Object.defineProperty(object, name, { value, writable: true, enumerable: true, configurable: true });
    return object;
  },
};
