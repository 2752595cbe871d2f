/** Who is signed in, in this tab: another tab may be somebody else. */

export interface Session {
  actor: string;
  token: string;
}

const KEY = 'fluxwire-chat';

/** The session of this tab, if it has one. */
export function savedSession(): Session | undefined {
  const saved = sessionStorage.getItem(KEY);
  return saved === null ? undefined : (JSON.parse(saved) as Session);
}

export function forgetSession(): void {
  sessionStorage.removeItem(KEY);
}

/**
 * Sign in as a guest.
 *
 * @param name - Any name; whoever gives it is that actor.
 * @throws Error with a sentence for the user.
 */
export async function signIn(name: string): Promise<Session> {
  const answer = await fetch('/guest', {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ name }),
  }).catch(() => undefined);
  if (answer === undefined) throw new Error('The server cannot be reached.');
  if (answer.status === 404) throw new Error('This server takes no guests.');
  if (!answer.ok) throw new Error('The server did not accept this name.');
  const { token } = (await answer.json()) as { token: string };
  const session = { actor: subject(token), token };
  sessionStorage.setItem(KEY, JSON.stringify(session));
  return session;
}

/** Whom a token speaks for: the front may have tidied the name. */
function subject(token: string): string {
  const [, claims = ''] = token.split('.');
  const bytes = Uint8Array.from(atob(claims.replaceAll('-', '+').replaceAll('_', '/')), (char) => char.charCodeAt(0));
  return (JSON.parse(new TextDecoder().decode(bytes)) as { sub: string }).sub;
}
