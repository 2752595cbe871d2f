/** As {@link Wires}, over requests that each stand for themselves: any of them may be given up half-way. */
import type { Up } from '../src/frames.ts';
import { makeLetters } from '../src/letters.ts';
import type { Letters } from '../src/letters.ts';
import type { Transport } from '../src/transport.ts';
import { ModelSession } from './model-front.ts';
import type { ModelFront } from './model-front.ts';
import { Wires } from './wire.ts';
import type { Wire } from './wire.ts';

interface LetterWire extends Wire {
  letters: Letters;
  session: ModelSession;
  /** Whether anything was said since the last request. */
  said: boolean;
}

export class LetterWires extends Wires {
  readonly #front: ModelFront;

  constructor(front: ModelFront) {
    super(front);
    this.#front = front;
  }

  override readonly transport: Transport = (_url, listener) => {
    const session = new ModelSession(this.#front);
    const wire: LetterWire = { session, listener, up: [], opened: false, letters: makeLetters(), said: false };
    this.add(wire);
    return {
      send: (text) => {
        wire.letters.say(JSON.parse(text) as Up);
        wire.said = true;
      },
      close: () => this.drop(wire),
    };
  };

  /** Begin another request, if there is anything new to say; what the one before had to tell is lost. */
  override up(): boolean {
    const wire = this.wire as LetterWire | undefined;
    if (wire === undefined || !wire.opened || !this.reachable) return super.up();
    if (!wire.said) return false;
    wire.said = false;
    wire.session.close();
    wire.session = new ModelSession(this.#front);
    for (const frame of JSON.parse(wire.letters.letter()) as Up[]) wire.session.receive(JSON.stringify(frame));
    return true;
  }

  override down(): boolean {
    const wire = this.wire as LetterWire | undefined;
    const text = wire?.session.down.shift();
    if (text !== undefined) for (const one of wire?.letters.hear(text) ?? []) wire?.listener.message(one);
    return text !== undefined;
  }
}
