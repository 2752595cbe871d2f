/** Sockets between a client and a {@link ModelFront} that carry a message when they are told to. */
import type { SocketListener, Transport } from '../src/transport.ts';
import { ModelSession } from './model-front.ts';
import type { ModelFront } from './model-front.ts';

export interface Wire {
  readonly session: ModelSession;
  readonly listener: SocketListener;
  /** Sent by the client, not yet at the front. */
  readonly up: string[];
  opened: boolean;
}

export class Wires {
  readonly #front: ModelFront;
  /** All that are not closed yet; there should never be two. */
  readonly live = new Set<Wire>();
  /** The most that were ever live at once. */
  most = 0;
  /** How many there ever were. */
  count = 0;
  /** False while every attempt to connect fails. */
  reachable = true;

  constructor(front: ModelFront) {
    this.#front = front;
  }

  readonly transport: Transport = (_url, listener) => {
    const wire: Wire = { session: new ModelSession(this.#front), listener, up: [], opened: false };
    this.add(wire);
    return {
      send: (text) => {
        if (!wire.opened) throw new Error('sent before the socket was open');
        if (this.live.has(wire)) wire.up.push(text);
      },
      close: () => this.drop(wire),
    };
  };

  /** The wire that is live now. */
  get wire(): Wire | undefined {
    return [...this.live][0];
  }

  /** Carry one message up, or open the socket if that has not happened. */
  up(): boolean {
    const { wire } = this;
    if (wire === undefined) return false;
    if (!this.reachable) return this.cut();
    if (!wire.opened) {
      wire.opened = true;
      wire.listener.opened();
      return true;
    }
    const text = wire.up.shift();
    if (text !== undefined) wire.session.receive(text);
    return text !== undefined;
  }

  /** Carry one message down. */
  down(): boolean {
    const text = this.wire?.session.down.shift();
    if (text !== undefined) this.wire?.listener.message(text);
    return text !== undefined;
  }

  /** The connection breaks; what was on its way is lost. */
  cut(code = 1006, reason = ''): boolean {
    const { wire } = this;
    if (wire === undefined) return false;
    this.drop(wire);
    wire.listener.closed(code, reason);
    return true;
  }

  /** Carry everything, until nobody has anything to say. */
  async settle(): Promise<void> {
    do await turn();
    while (this.up() || this.down());
  }

  protected add(wire: Wire): void {
    this.live.add(wire);
    this.count += 1;
    this.most = Math.max(this.most, this.live.size);
  }

  protected drop(wire: Wire): void {
    this.live.delete(wire);
    wire.session.close();
  }
}

/** Let promises and microtasks of the client run. */
export async function turn(): Promise<void> {
  for (let step = 0; step < 10; step += 1) await Promise.resolve();
}
