/** What passes between a client and its front, to be looked at. For development: the panel is loaded when it is shown. */
import { lazy } from 'react';

export { recorder } from './recorder.ts';
export type { Recorded, Recorder, SeenAction, SeenStore, SeenVersion } from './recorder.ts';
export type { DevToolsProps } from './devtools-panel.tsx';

/** A button in a corner of the page, and the panel behind it. Inside of a `<Suspense>`. */
export const DevTools = lazy(() => import('./devtools-panel.tsx'));
