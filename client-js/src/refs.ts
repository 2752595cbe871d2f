/**
 * Names of stores and actions with the types that belong to them.
 *
 * The types are the application's word; nothing checks them against the database.
 */
import type { Json, JsonObject } from './json.ts';

/** A store's name and parameters, and the type of its document. */
export interface StoreRef<Document = Json> {
  readonly name: string;
  readonly params: JsonObject;
  /** Never there: carries the type alone. */
  readonly document?: Document;
}

/** An action's name, and the types of its parameters and its reply. */
export interface ActionRef<Params = JsonObject, Reply = Json> {
  readonly name: string;
  /** Never there: carries the types alone. */
  readonly call?: (params: Params) => Reply;
}

/**
 * Give a store its types: `const room = defineStore<Room, { room: string }>('room')`.
 *
 * @returns A function from parameters to a reference: `room({ room: 'lobby' })`.
 */
export function defineStore<Document, Params extends object = Record<never, never>>(
  name: string,
): (params: Params) => StoreRef<Document> {
  return (params) => ({ name, params: params as JsonObject });
}

/** Give an action its types: `const rename = defineAction<{ room: string; title: string }>('rename_room')`. */
export function defineAction<Params extends object, Reply = Json>(name: string): ActionRef<Params, Reply> {
  return { name };
}
