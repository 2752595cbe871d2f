import { createClient } from 'fluxwire';
import type { Client } from 'fluxwire';
import { DevTools, recorder } from 'fluxwire/devtools';
import type { Recorder } from 'fluxwire/devtools';
import { persist } from 'fluxwire/persist';
import type { DevicePersistence } from 'fluxwire/persist';
import { FluxProvider } from 'fluxwire/react';
import { Suspense, useState } from 'react';
import { Chat } from './chat-page.tsx';
import { actions } from './chat.ts';
import { DeviceProvider } from './device.ts';
import { predictionsOf } from './predictions.ts';
import { forgetRead } from './read.ts';
import { forgetSession, savedSession } from './session.ts';
import type { Session } from './session.ts';
import { SignIn } from './sign-in.tsx';

interface SignedIn {
  session: Session;
  client: Client;
  device: DevicePersistence;
  /** In development only. */
  tools: Recorder | undefined;
}

// Once per page, and not once per rendering of the first component.
const saved = savedSession();
const resumed: SignedIn | undefined = saved && connect(saved);

export function App() {
  const [signedIn, setSignedIn] = useState(resumed);
  const [notice, setNotice] = useState('');

  if (signedIn === undefined) {
    const enter = (session: Session) => {
      setNotice('');
      setSignedIn(connect(session));
    };
    return <SignIn notice={notice} onSignIn={enter} />;
  }
  const leave = (why = '') => {
    // Who signs out leaves nothing on this device; who must only sign in again finds everything as it was.
    void signedIn.client.close({ wipe: why === '' });
    if (why === '') forgetRead(signedIn.session.actor);
    forgetSession();
    setNotice(why);
    setSignedIn(undefined);
  };
  return (
    <FluxProvider client={signedIn.client}>
      <DeviceProvider value={signedIn.device}>
        <Chat actor={signedIn.session.actor} onSignOut={leave} />
      </DeviceProvider>
      {signedIn.tools && (
        <Suspense>
          <DevTools client={signedIn.client} recorder={signedIn.tools} />
        </Suspense>
      )}
    </FluxProvider>
  );
}

function connect(session: Session): SignedIn {
  const { actor, token } = session;
  const url = new URL('/ws', window.location.href);
  url.protocol = url.protocol.replace('http', 'ws');
  const device = persist({ actor, keepFailed: [actions.post_message] });
  const tools = import.meta.env.DEV ? recorder() : undefined;
  const client = createClient({
    url: url.href,
    token,
    predictions: predictionsOf(actor),
    persistence: device,
    ...(tools && { transport: tools.transport }),
  });
  return { session, client, device, tools };
}
