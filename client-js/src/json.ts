/** What a document, a parameter or a reply may be made of. */
export type Json = string | number | boolean | null | Json[] | JsonObject;

/** A JSON object; its keys are data, never names known to the program. */
export interface JsonObject {
  [key: string]: Json;
}

/** True for a JSON object, false for `null`, lists and everything else. */
export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/**
 * One text per value: the same whatever order the members were written in.
 *
 * Good for telling values of this program apart. It is not the store key, which the database alone makes.
 */
export function canonical(value: Json): string {
  return JSON.stringify(value, (_key, member: Json) => (isObject(member) ? sorted(member) : member));
}

function sorted(value: JsonObject): JsonObject {
  const names = Object.keys(value).sort();
  // Object.fromEntries defines members, so that even "__proto__" stays a plain one.
  return Object.fromEntries(names.map((name) => [name, value[name] as Json]));
}
