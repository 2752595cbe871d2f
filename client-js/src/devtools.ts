/** What passes between a client and its front, to be looked at. For development: the panel is loaded when it is shown. */
import { lazy } from 'react';
import type { ComponentType, LazyExoticComponent } from 'react';
import type { DevToolsProps } from './devtools-panel.tsx';

export { recorder } from './recorder.ts';
export type { Recorded, Recorder, SeenAction, SeenStore, SeenVersion } from './recorder.ts';
export type { DevToolsProps };

/** A button in a corner of the page, and the panel behind it. Inside of a `<Suspense>`. */
export const DevTools: LazyExoticComponent<ComponentType<DevToolsProps>> =
  // Whoever leaves it out of production wants nothing of it there.
  /* @__PURE__ */ lazy(() => import('./devtools-panel.tsx'));
