/** What this device keeps for the reader beyond the page: of that, the messages that the database has refused. */
import type { DevicePersistence, FailedAction } from 'fluxwire/persist';
import { createContext, useContext, useSyncExternalStore } from 'react';

const Context = createContext<DevicePersistence | undefined>(undefined);

/** Gives the components below it their device. */
export const DeviceProvider = Context.Provider;

/** A message that stays in sight until it is tried again or given up. */
export interface FailedMessage {
  readonly id: string;
  readonly room: string;
  readonly body: string;
  /** Why, for the reader. */
  readonly why: string;
}

/** The failed messages of a room, the oldest first, and how to show one no longer. */
export function useFailed(room: string): { failed: FailedMessage[]; dismiss: (id: string) => void } {
  const device = useContext(Context);
  if (device === undefined) throw new Error('There is no DeviceProvider above.');
  const all = useSyncExternalStore(device.failed.subscribe, device.failed.get);
  return { failed: all.map(messageOf).filter((one) => one.room === room), dismiss: (id) => device.dismiss(id) };
}

function messageOf({ id, params: { room, body }, error }: FailedAction): FailedMessage {
  return { id, room: String(room), body: String(body), why: error.message };
}
