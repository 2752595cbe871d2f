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
  const seen = (): void => (document.visibilityState === 'hidden' ? hide() : wake());
  globalThis.addEventListener?.('online', wake);
  globalThis.addEventListener?.('pagehide', hide);
  document?.addEventListener('visibilitychange', seen);
  return () => {
    globalThis.removeEventListener?.('online', wake);
    globalThis.removeEventListener?.('pagehide', hide);
    document?.removeEventListener('visibilitychange', seen);
  };
}
