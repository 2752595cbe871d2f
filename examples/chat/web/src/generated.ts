// Made by `fluxwire types` out of the database's catalog; do not edit.
import { defineAction, defineStore } from 'fluxwire';

/** The documents of the stores. */
export interface Documents {
  history: { messages: Record<string, { id: string; author: string; body: string; sent_at: string }>; more: boolean };
  room: {
    members: Record<string, { actor: string; name: string; joined_at: string }>;
    messages: Record<string, { id: string; author: string; body: string; sent_at: string }>;
    room?: { room: string; title: string; created_by: string; created_at: string };
  };
  rooms: {
    rooms: Record<string, { room: string; title: string; created_at: string }>;
  };
}

export const stores = {
  /**
   * A page of a room's messages: {"messages": {"<id>": {...}}, "more": ...}, the 100 sent before the message of that time
   * and id, or the 100 from it on. More says whether there are others beyond them.
   *
   * Nothing feeds it: messages never change.
   */
  history: defineStore<Documents['history'], { room: string; sent_at: string; id: string; later?: boolean }>('history'),
  /**
   * One room: {"room": {...}, "members": {"<actor>": {...}}, "messages": {"<id>": {...}}} with its newest 100 messages.
   *
   * All three come by the watches in declarations.sql; a room that does not exist has no "room".
   */
  room: defineStore<Documents['room'], { room: string }>('room'),
  /** All rooms, {"rooms": {"<room>": {...}}}; the rows come by the watch in declarations.sql. */
  rooms: defineStore<Documents['rooms'], Record<never, never>>('rooms'),
};

export const actions = {
  /** Open a room. A room that is there already stays as it is. */
  create_room: defineAction<{ room: string; title?: string | null }, { room: string; created: boolean }>('create_room'),
  /** Become a member of a room. Refused with no_such_room. */
  join_room: defineAction<{ room: string; name?: string | null }, null>('join_room'),
  /** Stop being a member of a room. */
  leave_room: defineAction<{ room: string }, null>('leave_room'),
  /** Write a message into a room one is a member of. Refused with too_long or not_a_member. */
  post_message: defineAction<{ room: string; body: string }, { id: string }>('post_message'),
  /** Go by another name in a room. Refused with not_a_member. */
  rename_member: defineAction<{ room: string; name: string }, null>('rename_member'),
  /** Give a room another title. Refused with not_a_member. */
  rename_room: defineAction<{ room: string; title: string }, null>('rename_room'),
};
