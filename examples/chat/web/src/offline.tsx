import { useConnection } from 'fluxwire/react';

/** Says that there is no connection, and that nothing is lost by it. */
export function Offline() {
  const { state, code } = useConnection();
  // Also while it tries again: a line that comes and goes is no comfort.
  const lost = state === 'waiting' || (state === 'connecting' && code !== undefined);
  if (!lost && state !== 'stopped') return null;
  return (
    <p className="offline">
      {lost
        ? 'No connection. You see what this device has; what you write is kept and sent when the connection is back.'
        : 'This page is out of date. What you write is kept; reload the page to send it.'}
    </p>
  );
}
