import { useConnection } from 'fluxwire/react';

const WORDS = {
  closed: 'Signed out',
  connecting: 'Connecting…',
  open: 'Live',
  waiting: 'Connection lost. Trying again…',
  paused: 'Paused',
  'signed out': 'Signed out',
  stopped: 'This page is out of date. Please reload it.',
};

/** One line that says how the connection is. */
export function ConnectionLine() {
  const { state } = useConnection();
  return (
    <p className="connection" role="status" data-state={state}>
      {WORDS[state]}
    </p>
  );
}
