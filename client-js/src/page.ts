/** What the page around a client goes through; the only file that listens to window and document. */
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
  const { document } = globalThis;
  const listening = new AbortController();
  const { signal } = listening;
  globalThis.addEventListener?.('online', wake, { signal });
  globalThis.addEventListener?.('pagehide', hide, { signal });
  document?.addEventListener('visibilitychange', () => (document.visibilityState === 'hidden' ? hide() : wake()), { signal });
  return () => listening.abort();
}
