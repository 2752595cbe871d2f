/** Until when each room was read, on this device. */

const key = (actor: string): string => `fluxwire-chat.read.${actor}`;

function all(actor: string): Record<string, number> {
  return JSON.parse(localStorage.getItem(key(actor)) ?? '{}') as Record<string, number>;
}

/** Until when a room was read, in milliseconds since 1970; `undefined` if it never was. */
export function readUntil(actor: string, room: string): number | undefined {
  const found = all(actor);
  return Object.hasOwn(found, room) ? found[room] : undefined;
}

export function markRead(actor: string, room: string, at: number): void {
  const found = all(actor);
  if (at <= (Object.hasOwn(found, room) ? (found[room] ?? 0) : 0)) return;
  localStorage.setItem(key(actor), JSON.stringify({ ...found, [room]: at }));
}

/** Who signs out leaves nothing on this device. */
export function forgetRead(actor: string): void {
  localStorage.removeItem(key(actor));
}
