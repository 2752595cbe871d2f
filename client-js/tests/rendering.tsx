/** What tests of the hooks begin with: a client of a {@link ModelFront}, its clock stopped, and a page around components. */
import { act, cleanup, screen } from '@testing-library/react';
import { StrictMode } from 'react';
import type { ReactElement, ReactNode } from 'react';
import { afterEach, beforeEach, vi } from 'vitest';
import { createClient } from '../src/client.ts';
import type { Client } from '../src/client.ts';
import { FluxProvider } from '../src/react.ts';
import { ModelFront } from './model-front.ts';
import { Wires } from './wire.ts';

/** New for each test. */
export let front: ModelFront;
export let wires: Wires;
export let client: Client;

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
  front = new ModelFront();
  wires = new Wires(front);
  client = createClient({ url: 'ws://front/ws', token: 't', transport: wires.transport });
});

afterEach(() => {
  cleanup();
  void client.close();
  vi.useRealTimers();
});

/** Components in StrictMode, with the client. */
export function within(page: ReactNode): ReactElement {
  return (
    <StrictMode>
      <FluxProvider client={client}>{page}</FluxProvider>
    </StrictMode>
  );
}

/** Carry everything that is on its way, and let React show it. */
export const settle = (): Promise<void> => act(() => wires.settle());

/** What the element says that the tests look at. */
export const text = (): string | null => screen.getByTestId('text').textContent;
