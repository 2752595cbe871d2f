/**
 * The frames of docs/protocol.md, up and down: one type each.
 *
 * A frame from a front is checked member by member before anything else sees it.
 * Frames to a front are checked by the compiler alone.
 */
import { isObject } from './json.ts';
import type { Json, JsonObject } from './json.ts';
import { operations } from './patch.ts';
import type { Operation } from './patch.ts';

/** The versions of the protocol that this client speaks (§2). */
export const PROTOCOLS: readonly number[] = [1];

/** The longest list of stores in one `subscribe` (§3). */
export const MAX_STORES = 1000;

/** The longest frame a front takes before its `welcome` says otherwise, in bytes (§1). */
export const DEFAULT_MAX_FRAME = 65_536;

/** An error as every frame carries it (§6). */
export interface WireError {
  code: string;
  message: string;
  /** The violated constraint, if `code` is `constraint`. */
  constraint?: string;
  /** The column that needs a value, if that is the constraint. */
  column?: string;
}

// Up: from a client to a front.

/** The first frame of a client (§2). */
export interface Hello {
  type: 'hello';
  protocols: readonly number[];
  /** Left out where it comes with the upgrade. */
  token?: string | undefined;
  client: string;
}

/** One store within `subscribe`; `epoch` and `version` together ask to resume (§3). */
export interface Wanted {
  id: number;
  name: string;
  params: JsonObject;
  epoch?: string;
  version?: number;
}

/** Asks for stores (§3). */
export interface Subscribe {
  type: 'subscribe';
  stores: Wanted[];
}

/** Gives stores up (§3). */
export interface Unsubscribe {
  type: 'unsubscribe';
  ids: number[];
}

/** Brings an action (§4). */
export interface Dispatch {
  type: 'dispatch';
  lane: 0;
  number: number;
  name: string;
  params: JsonObject;
}

/** Asks for a sign of life (§2). */
export interface Ping {
  type: 'ping';
}

/** Shows a fresh token before the old one expires (§2). */
export interface Refresh {
  type: 'refresh';
  token: string | undefined;
}

export type Up = Hello | Subscribe | Unsubscribe | Dispatch | Ping | Refresh;

// Down: from a front to a client.

/** Answers `hello` (§2). */
export interface Welcome {
  type: 'welcome';
  protocol: number;
  actor: string;
  max_frame: number;
  heartbeat_ms: number;
}

/** Answers `ping` (§2). */
export interface Pong {
  type: 'pong';
}

/** From here on the next commit that changes the store arrives (§3). */
export interface Subscribed {
  type: 'subscribed';
  id: number;
  store: string;
  epoch: string;
  version: number;
  resumed: boolean;
}

/** A subscription was refused, or taken away (§3). */
export interface Unsubscribed {
  type: 'unsubscribed';
  id: number;
  error: WireError;
}

/** A whole store (§3). */
export interface Snapshot {
  type: 'snapshot';
  store: string;
  epoch: string;
  version: number;
  document: Json;
}

/** A patch that takes a store from one version to a later one (§3). */
export interface Update {
  type: 'update';
  store: string;
  epoch: string;
  from: number;
  to: number;
  patch: Operation[];
}

/** The next `updates` frames become visible together (§5). */
export interface Commit {
  type: 'commit';
  updates: number;
}

interface Answered {
  type: 'outcome';
  lane: number;
  number: number;
  stores: JsonObject;
}

/** What became of an action (§4). */
export type Outcome =
  | (Answered & { status: 'ok'; reply: Json })
  | (Answered & { status: 'refused' | 'invalid'; error: WireError });

export type Down = Welcome | Pong | Subscribed | Unsubscribed | Snapshot | Update | Commit | Outcome;

type Check = (value: unknown) => boolean;

const text: Check = (value) => typeof value === 'string';
const flag: Check = (value) => typeof value === 'boolean';
const count: Check = (value) => Number.isSafeInteger(value) && (value as number) >= 0;
const json: Check = (value) => value !== undefined;
const versions: Check = (value) => isObject(value) && Object.values(value).every(count);
const optional: Check = (value) => value === undefined || text(value);
const error: Check = (value) =>
  isObject(value) &&
  text(value['code']) &&
  text(value['message']) &&
  optional(value['constraint']) &&
  optional(value['column']);

const ANSWERED = { lane: count, number: count, stores: versions };

/** The members each frame from a front must have, outcomes by their status; others are ignored (§1). */
export const DOWN: Readonly<Record<string, Readonly<Record<string, Check>>>> = {
  welcome: { protocol: count, actor: text, max_frame: count, heartbeat_ms: count },
  pong: {},
  subscribed: { id: count, store: text, epoch: text, version: count, resumed: flag },
  unsubscribed: { id: count, error },
  snapshot: { store: text, epoch: text, version: count, document: json },
  update: { store: text, epoch: text, from: count, to: count, patch: operations },
  commit: { updates: count },
  'outcome ok': { ...ANSWERED, reply: json },
  'outcome refused': { ...ANSWERED, error },
  'outcome invalid': { ...ANSWERED, error },
};

/**
 * Read one frame of a front.
 *
 * @param message - The text of one WebSocket message.
 * @returns The frame; `undefined` if its type is not known, which is no fault (§1).
 * @throws SyntaxError or TypeError if it is no frame of this protocol.
 */
export function parse(message: string): Down | undefined {
  const frame: unknown = JSON.parse(message);
  const { type, status } = frame as { [member in 'type' | 'status']?: Json };
  if (!isObject(frame) || typeof type !== 'string') throw new TypeError('type');
  const kind = type === 'outcome' ? `outcome ${String(status)}` : type;
  if (!Object.hasOwn(DOWN, kind)) {
    if (kind === type) return undefined;
    throw new TypeError(kind);
  }
  for (const [name, valid] of Object.entries(DOWN[kind] ?? {})) {
    if (!valid(frame[name])) throw new TypeError(`${type}.${name}`);
  }
  return frame as unknown as Down;
}

/** The text of a frame for a front. */
export function encode(frame: Up): string {
  return JSON.stringify(frame);
}

const encoder = new TextEncoder();

/** How many bytes a text takes in UTF-8, which is what §1 counts. */
export function sizeOf(message: string): number {
  return encoder.encode(message).length;
}
