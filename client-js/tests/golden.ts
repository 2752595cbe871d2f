/** The golden frames that the Python tests read as well. */
import down from '../../tests/protocol/down.json' with { type: 'json' };
import up from '../../tests/protocol/up.json' with { type: 'json' };

export interface Golden {
  name: string;
  valid: boolean;
  text: string;
  value?: object | null;
  close?: number;
}

export const goldenDown: Golden[] = down as Golden[];
export const goldenUp: Golden[] = up as Golden[];

/** What a golden frame from a client says. */
export function goldenFrame(name: string): unknown {
  const golden = goldenUp.find((one) => one.name === name);
  if (golden === undefined) throw new Error(`there is no golden frame "${name}"`);
  return JSON.parse(golden.text);
}
