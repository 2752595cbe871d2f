/** What a token claims, for everybody to read: it is the front that verifies it. Texts beyond ASCII are garbled. */
export function claimsOf(token: string | undefined): unknown {
  try {
    return JSON.parse(atob((token?.split('.')[1] ?? '').replaceAll('-', '+').replaceAll('_', '/')));
  } catch {
    return undefined;
  }
}

/** How long a token is still good by this machine's clock, in milliseconds; no number if it does not say. */
export function timeLeft(token: string | undefined): number {
  const claims = claimsOf(token) as { exp?: number } | null | undefined;
  return (claims?.exp ?? NaN) * 1_000 - Date.now();
}
