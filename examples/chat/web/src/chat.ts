/** The chat's stores and actions, as examples/chat/sql defines them. */
import { defineAction, defineStore } from 'fluxwire';

export interface RoomInfo {
  room: string;
  title: string;
}

export interface Member {
  actor: string;
  name: string;
  joined_at: string;
}

export interface Message {
  id: string;
  author: string;
  body: string;
  sent_at: string;
}

/** All rooms, by their id. */
export interface Rooms {
  rooms: Record<string, RoomInfo>;
}

/** One room: members by actor, and its newest messages by id; without `room` there is no such room. */
export interface Room {
  room?: RoomInfo;
  members: Record<string, Member>;
  messages: Record<string, Message>;
}

export const rooms = defineStore<Rooms>('rooms');
export const room = defineStore<Room, { room: string }>('room');

export const createRoom = defineAction<{ room: string; title: string }>('create_room');
export const joinRoom = defineAction<{ room: string }>('join_room');
export const leaveRoom = defineAction<{ room: string }>('leave_room');
export const postMessage = defineAction<{ room: string; body: string }>('post_message');
export const renameRoom = defineAction<{ room: string; title: string }>('rename_room');
export const renameMember = defineAction<{ room: string; name: string }>('rename_member');
