/** The chat's stores and actions, and names for the parts of their documents. */
import type { Documents } from './generated.ts';

export { actions, stores } from './generated.ts';

export type RoomInfo = Documents['rooms']['rooms'][string];
export type Member = Documents['room']['members'][string];
export type Message = Documents['room']['messages'][string];
