/**
 * RFC 6902 patches with the three operations that §3 of the protocol allows.
 *
 * Applying one leaves the old document as it was and shares with it every part that no operation
 * touched, so that `===` tells what has changed.
 */
import { isObject } from './json.ts';
import type { Json, JsonObject } from './json.ts';
import { isLarge, plain } from './objects.ts';
import type { Objects } from './objects.ts';

/** One operation of a patch; `path` is a JSON Pointer (RFC 6901). */
export type Operation = { op: 'add' | 'replace'; path: string; value: Json } | { op: 'remove'; path: string };

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
 * @throws RangeError if a path leads nowhere; the document before is still good.
 */
export function applyPatch(document: Json, patch: readonly Operation[]): Json {
  // Containers copied by this patch: each is copied once, however many operations go through it.
  const own = new Set<Container>();
  return patch.reduce((before, operation) => applyOne(before, operation, own), document);
}

/** The way that objects are changed; until large.ts is there, and where it cannot be had, all of them are copied. */
let objects: Objects = {
  ...plain,
  copy(object, parent) {
    if (isLarge(object)) {
      objects = plain;
      import('./large.ts').then((large) => (objects = large.objects), () => undefined);
    }
    return plain.copy(object, parent);
  },
};

type Container = Json[] | JsonObject;

function applyOne(document: Json, operation: Operation, own: Set<Container>): Json {
  const path = pointer(operation);
  if (path.length > 0) return change(document, undefined, path, operation, own);
  if (operation.op === 'remove') throw nowhere(operation);
  return operation.value;
}

/** The node with one operation done to it, further in if the path leads on. */
function change(
  node: Json | undefined,
  parent: Container | undefined,
  [token = '', ...rest]: string[],
  operation: Operation,
  own: Set<Container>,
): Container {
  const container = owned(node, parent, operation, own);
  if (rest.length > 0) return put(container, token, change(child(container, token), container, rest, operation, own));
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

/** The container itself if this patch made it, else what may be changed in its place. */
function owned(node: Json | undefined, parent: Container | undefined, operation: Operation, own: Set<Container>): Container {
  if (!Array.isArray(node) && !isObject(node)) throw nowhere(operation);
  if (own.has(node)) return node;
  const copy = Array.isArray(node) ? [...node] : objects.copy(node, parent);
  own.add(copy);
  return copy;
}

function child(parent: Container, token: string): Json | undefined {
  if (!Array.isArray(parent)) return objects.get(parent, token);
  return INDEX.test(token) ? parent[Number(token)] : undefined;
}

function put(parent: Container, token: string, value: Json | undefined): Container {
  if (!Array.isArray(parent)) return objects.put(parent, token, value);
  parent[Number(token)] = value as Json;
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

/** It does not fit the document. */
function nowhere({ op, path }: Operation): RangeError {
  return new RangeError(`${op} ${path}`);
}
