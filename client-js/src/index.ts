export { createClient } from './client.ts';
export type { Client, ClientOptions, ConnectionStatus, StoreHandle } from './client.ts';
export { FluxError } from './errors.ts';
export type { Json, JsonObject } from './json.ts';
export { defineAction, defineStore } from './refs.ts';
export type { ActionRef, StoreRef } from './refs.ts';
export type { StoreState, StoreStatus } from './subscription.ts';
export type { Socket, SocketListener, Transport } from './transport.ts';
