/**
 * How long a token is still good by this machine's clock, in milliseconds; no number if it does not say.
 *
 * It is the front that verifies it; this only tells when to ask for another one.
 */
export function timeLeft(token: string): number {
  try {
    const [, claims = ''] = token.split('.');
    const { exp } = JSON.parse(atob(claims.replaceAll('-', '+').replaceAll('_', '/'))) as { exp: number };
    return exp * 1_000 - Date.now();
  } catch {
    return NaN;
  }
}
