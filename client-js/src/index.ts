export { createClient, predict } from './client.ts';
export type {
  Client,
  ClientOptions,
  ConnectionStatus,
  Dispatched,
  DispatchOptions,
  NamedPrediction,
  Observable,
  StoreHandle,
} from './client.ts';
export { FluxError } from './errors.ts';
export type { Json, JsonObject } from './json.ts';
export type { Brought, KeptAction, NumberedAction } from './outbox.ts';
export type { PendingAction, PredictedStores, Prediction, Stage } from './pending.ts';
export type { Page, Persistence } from './persistence.ts';
export { defineAction, defineStore } from './refs.ts';
export type { ActionRef, StoreRef } from './refs.ts';
export type { StoreState, StoreStatus } from './subscription.ts';
export type { KeptStore } from './subscriptions.ts';
export type { Socket, SocketListener, Transport } from './transport.ts';
