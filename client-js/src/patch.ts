/**
 * RFC 6902 patches with the three operations that §3 of the protocol allows.
 *
 * Applying one leaves the old document as it was and shares with it every part that no operation
 * touched, so that `===` tells what has changed.
 */
import { isObject } from './json.ts';
import type { Json, JsonObject } from './json.ts';

/** One operation of a patch; `path` is a JSON Pointer (RFC 6901). */
export type Operation = { op: 'add' | 'replace'; path: string; value: Json } | { op: 'remove'; path: string };

/** A patch that does not fit its document. */
export class PatchError extends Error {
  override name = 'PatchError';
}

/** True for a list of operations that {@link applyPatch} knows. */
export function operations(value: unknown): value is Operation[] {
  return Array.isArray(value) && value.every(isOperation);
}

function isOperation(value: unknown): value is Operation {
  if (!isObject(value) || typeof value['path'] !== 'string') return false;
  const op = value['op'];
  return op === 'remove' || ((op === 'add' || op === 'replace') && value['value'] !== undefined);
}

/**
 * Apply a patch.
 *
 * @param document - The document before; never changed.
 * @param patch - Operations, applied in order.
 * @returns The document after.
 * @throws PatchError if a path leads nowhere; the document before is still good.
 */
export function applyPatch(document: Json, patch: readonly Operation[]): Json {
  // Containers copied by this patch: each is copied once, however many operations go through it.
  const own = new Set<Container>();
  return patch.reduce((before, operation) => applyOne(before, operation, own), document);
}

type Container = Json[] | JsonObject;

function applyOne(document: Json, operation: Operation, own: Set<Container>): Json {
  const path = pointer(operation);
  const last = path.pop();
  if (last === undefined) {
    if (operation.op === 'remove') throw nowhere(operation);
    return operation.value;
  }
  const root = owned(document, operation, own);
  let parent = root;
  for (const token of path) {
    const child = owned(member(parent, token), operation, own);
    put(parent, token, child);
    parent = child;
  }
  if (Array.isArray(parent)) changeList(parent, last, operation);
  else changeObject(parent, last, operation);
  return root;
}

/** The reference tokens of an operation's JSON Pointer. */
function pointer(operation: Operation): string[] {
  const { path } = operation;
  if (path === '') return [];
  if (!path.startsWith('/') || /~(?![01])/.test(path)) throw nowhere(operation);
  const tokens = path.slice(1).split('/');
  return tokens.map((token) => token.replaceAll('~1', '/').replaceAll('~0', '~'));
}

/** The container itself if this patch made it, else a shallow copy that may be changed. */
function owned(node: Json | undefined, operation: Operation, own: Set<Container>): Container {
  if (!Array.isArray(node) && !isObject(node)) throw nowhere(operation);
  if (own.has(node)) return node;
  const copy = Array.isArray(node) ? [...node] : { ...node };
  own.add(copy);
  return copy;
}

/** A member that is there; own ones only, since a path must not lead through a prototype. */
function member(parent: Container, token: string): Json | undefined {
  if (Array.isArray(parent)) return INDEX.test(token) ? parent[Number(token)] : undefined;
  return Object.hasOwn(parent, token) ? parent[token] : undefined;
}

/** Set a member; assigning "__proto__" would set the prototype, so that one is defined. */
function put(parent: Container, token: string, value: Json): void {
  if (token === '__proto__') {
    Object.defineProperty(parent, token, { value, writable: true, enumerable: true, configurable: true });
  } else {
    (parent as JsonObject)[token] = value;
  }
}

const INDEX = /^(0|[1-9]\d*)$/;

function changeList(list: Json[], token: string, operation: Operation): void {
  const adding = operation.op === 'add';
  const index = adding && token === '-' ? list.length : INDEX.test(token) ? Number(token) : -1;
  if (index < 0 || index >= list.length + (adding ? 1 : 0)) throw nowhere(operation);
  if (operation.op === 'remove') list.splice(index, 1);
  else list.splice(index, adding ? 0 : 1, operation.value);
}

function changeObject(object: JsonObject, token: string, operation: Operation): void {
  if (operation.op !== 'add' && !Object.hasOwn(object, token)) throw nowhere(operation);
  if (operation.op === 'remove') delete object[token];
  else put(object, token, operation.value);
}

function nowhere(operation: Operation): PatchError {
  return new PatchError(`cannot ${operation.op} at ${operation.path}`);
}
