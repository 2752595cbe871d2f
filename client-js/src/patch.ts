/**
 * RFC 6902 patches with the three operations that §3 of the protocol allows.
 *
 * Applying one leaves the old document as it was and shares with it every part that no operation
 * touched, so that `===` tells what has changed.
 */
import { isObject } from './json.ts';
import type { Json, JsonObject } from './json.ts';
import { copyObject, isLarge, Large, largeMember, put as putPlain, putLarge, removeLarge } from './large.ts';

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

type Container = Json[] | JsonObject | Large;

function applyOne(document: Json, operation: Operation, own: Set<Container>): Json {
  const path = pointer(operation);
  if (path.length === 0) {
    if (operation.op === 'remove') throw nowhere(operation);
    return operation.value;
  }
  return change(document, path, operation, own, false) as Json;
}

/** The node with one operation done to it, further in if the path leads on. `member`: of an object, which shows a large one. */
function change(
  node: Json | Large | undefined,
  [token = '', ...rest]: string[],
  operation: Operation,
  own: Set<Container>,
  member: boolean,
): Container {
  const container = owned(node, operation, own, member);
  if (rest.length > 0) {
    const inside = container instanceof Large || Array.isArray(container);
    return put(container, token, change(child(container, token), rest, operation, own, !inside));
  }
  if (Array.isArray(container)) return changeList(container, token, operation);
  if (operation.op !== 'add' && child(container, token) === undefined) throw nowhere(operation);
  return put(container, token, operation.op === 'remove' ? undefined : operation.value);
}

/** The reference tokens of an operation's JSON Pointer. */
function pointer(operation: Operation): string[] {
  const { path } = operation;
  if (path === '') return [];
  if (!path.startsWith('/') || /~(?![01])/.test(path)) throw nowhere(operation);
  const tokens = path.slice(1).split('/');
  return tokens.map((token) => token.replaceAll('~1', '/').replaceAll('~0', '~'));
}

/** The container itself if this patch made it or it never changes, else a shallow copy that may be changed. */
function owned(node: Json | Large | undefined, operation: Operation, own: Set<Container>, member: boolean): Container {
  if (node instanceof Large) return node;
  if (!Array.isArray(node) && !isObject(node)) throw nowhere(operation);
  if (own.has(node)) return node;
  if (member && !Array.isArray(node) && isLarge(node)) return Large.of(node);
  const copy = Array.isArray(node) ? [...node] : copyObject(node);
  own.add(copy);
  return copy;
}

/** A member that is there; own ones only, since a path must not lead through a prototype. */
function child(parent: Container, token: string): Json | Large | undefined {
  if (parent instanceof Large) return parent.get(token);
  if (Array.isArray(parent)) return INDEX.test(token) ? parent[Number(token)] : undefined;
  return largeMember(parent, token) ?? (Object.hasOwn(parent, token) ? parent[token] : undefined);
}

/** The container with another member, or without one if there is no value. */
function put(parent: Container, token: string, value: Json | Large | undefined): Container {
  if (parent instanceof Large) return parent.with(token, value as Json | undefined);
  if (value instanceof Large) putLarge(parent as JsonObject, token, value);
  else {
    removeLarge(parent as JsonObject, token);
    if (value === undefined) delete (parent as JsonObject)[token];
    else putPlain(parent as JsonObject, token, value);
  }
  return parent;
}

const INDEX = /^(0|[1-9]\d*)$/;

function changeList(list: Json[], token: string, operation: Operation): Json[] {
  const adding = operation.op === 'add';
  const index = adding && token === '-' ? list.length : INDEX.test(token) ? Number(token) : -1;
  if (index < 0 || index >= list.length + (adding ? 1 : 0)) throw nowhere(operation);
  if (operation.op === 'remove') list.splice(index, 1);
  else list.splice(index, adding ? 0 : 1, operation.value);
  return list;
}

function nowhere(operation: Operation): PatchError {
  return new PatchError(`cannot ${operation.op} at ${operation.path}`);
}
