import { useState } from 'react';
import type { FormEvent } from 'react';
import { signIn } from './session.ts';
import type { Session } from './session.ts';

/** The door: a name is all it takes. */
export function SignIn({ notice, onSignIn }: { notice: string; onSignIn: (session: Session) => void }) {
  const [name, setName] = useState('');
  const [problem, setProblem] = useState(notice);
  const [busy, setBusy] = useState(false);

  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (name.trim() === '') return;
    setBusy(true);
    signIn(name.trim()).then(onSignIn, (error: Error) => {
      setProblem(error.message);
      setBusy(false);
    });
  };

  return (
    <main className="door">
      <form className="door-card" onSubmit={submit}>
        <img src="/icon.svg" alt="" width="56" height="56" />
        <h1>Fluxwire chat</h1>
        <p className="quiet">Every message is a row in PostgreSQL, and on every screen at once.</p>
        <label htmlFor="name">Your name</label>
        <input
          id="name"
          value={name}
          onChange={(event) => setName(event.target.value)}
          placeholder="ada"
          autoComplete="nickname"
          autoCapitalize="none"
          maxLength={80}
          autoFocus
          required
        />
        <button className="primary" disabled={busy}>
          {busy ? 'Signing in…' : 'Come in'}
        </button>
        <p className="problem" role="alert">
          {problem}
        </p>
      </form>
    </main>
  );
}
