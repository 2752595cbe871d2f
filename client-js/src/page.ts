/** What the page around a client goes through; the only file that listens to a window. */
export interface PageListener {
  /** It is looked at, or its network is back: what was lost meanwhile may not have been noticed. */
  wake(): void;
  /** It is not looked at, and may end without another word. */
  hide(): void;
}

/**
 * Listen to the page; outside a browser nothing is heard.
 *
 * @returns Stops listening.
 */
export function watchPage({ wake, hide }: PageListener): () => void {
  const listening = new AbortController();
  const hear = ({ type }: { type: string }): void => {
    if (type === 'online' || (type !== 'pagehide' && document.visibilityState === 'visible')) wake();
    else hide();
  };
  for (const type of ['online', 'pagehide', 'visibilitychange']) {
    globalThis.addEventListener?.(type, hear, { signal: listening.signal });
  }
  return () => listening.abort();
}
