import { useConnection } from 'fluxwire/react';

/** Says that there is no connection, and that nothing is lost by it. */
export function Offline() {
  const { state } = useConnection();
  if (state !== 'waiting' && state !== 'stopped') return null;
  return (
    <p className="offline">
      {state === 'waiting'
        ? 'No connection. You see what this device has; what you write is kept and sent when the connection is back.'
        : 'This page is out of date. What you write is kept; reload the page to send it.'}
    </p>
  );
}
