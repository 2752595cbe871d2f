import fc from 'fast-check';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { createClient } from '../src/client.ts';
import type { Client, StoreHandle } from '../src/client.ts';
import { canonical } from '../src/json.ts';
import type { Json, JsonObject } from '../src/json.ts';
import { keyOf, ModelFront } from './model-front.ts';
import { turn, Wires } from './wire.ts';

const REFS: { name: string; params: JsonObject }[] = [
  { name: 'a', params: {} },
  { name: 'b', params: {} },
  { name: 'room', params: { room: 1 } },
  { name: 'room', params: { room: '1' } },
];

type Command =
  | { type: 'cut' | 'both' | 'append' | 'foreign' }
  | { type: 'up' | 'down'; times: number }
  | { type: 'hold' | 'release' | 'commit' | 'renumber'; which: number }
  | { type: 'wait'; ms: number };

const which = fc.nat(REFS.length - 1);
const times = fc.integer({ min: 1, max: 6 });
const command = fc.oneof(
  { weight: 6, arbitrary: fc.record({ type: fc.constantFrom('up', 'down'), times }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('cut') }) },
  { weight: 3, arbitrary: fc.record({ type: fc.constantFrom('both', 'append', 'foreign') }) },
  { weight: 3, arbitrary: fc.record({ type: fc.constantFrom('hold', 'release', 'commit', 'renumber'), which }) },
  { weight: 2, arbitrary: fc.record({ type: fc.constant('wait'), ms: fc.constantFrom(10, 300, 6_000, 40_000) }) },
) as fc.Arbitrary<Command>;

/** One client on a model, and everything that is promised about the two at any time. */
class World {
  readonly front = new ModelFront();
  readonly wires = new Wires(this.front);
  readonly client: Client = createClient({ url: 'ws://front/ws', token: 't', transport: this.wires.transport });
  readonly #held = new Map<number, () => void>();
  readonly #dispatched: Json[] = [];
  readonly #replies: Json[] = [];

  run(step: Command): void {
    if (step.type === 'up' || step.type === 'down') {
      for (let time = 0; time < step.times; time += 1) this.wires[step.type]();
    }
    if (step.type === 'cut') this.wires.cut();
    else if (step.type === 'wait') vi.advanceTimersByTime(step.ms);
    else if (step.type === 'both') this.#dispatch('both', {});
    else if (step.type === 'append') this.#dispatch('append', { store: this.#key(0) });
    else if (step.type === 'foreign') this.front.commit([this.#key(0), this.#key(1), this.#key(2)], 'foreign');
    else if (step.type === 'commit') this.front.commit([this.#key(step.which)], 'foreign');
    else if (step.type === 'renumber') this.front.renumber(this.#key(step.which));
    else if (step.type === 'hold' && !this.#held.has(step.which)) this.#hold(step.which);
    else if (step.type === 'release') {
      this.#held.get(step.which)?.();
      this.#held.delete(step.which);
    }
  }

  /** As it is most of the time: connected, with everything held. */
  async begin(): Promise<void> {
    for (let at = 0; at < REFS.length; at += 1) this.#hold(at);
    await this.wires.settle();
  }

  /** What holds at every moment. */
  check(): void {
    expect(this.wires.most).toBeLessThanOrEqual(1);
    expect(vi.getTimerCount()).toBeLessThanOrEqual(1);
    for (const at of this.#held.keys()) {
      const { data, version } = this.#store(at).get();
      // A document of before a resume has no version until the snapshot comes.
      if (data === undefined || version === undefined) continue;
      expect(this.front.history).toContain(`${this.#key(at)} ${version} ${canonical(data)}`);
    }
    const { numbers = [] } = this.wires.wire?.session ?? {};
    expect(numbers).toEqual(numbers.map((_number, index) => (numbers[0] ?? 0) + index));
  }

  /** What holds once the network has been good for long enough. */
  async end(): Promise<void> {
    for (let round = 0; round < 3; round += 1) {
      await this.wires.settle();
      vi.advanceTimersByTime(20_000);
      await this.wires.settle();
    }
    for (const at of this.#held.keys()) {
      const { version, document } = this.front.store(this.#key(at));
      expect(this.#store(at).get()).toEqual({ status: 'live', data: document, version, error: undefined });
    }
    expect(this.front.appended).toEqual(this.#dispatched);
    expect(this.#replies).toEqual(this.#dispatched.map((item) => ({ item })));
    this.client.close();
  }

  #dispatch(name: string, params: JsonObject): void {
    const item = this.#dispatched.push(`item ${this.#dispatched.length}`) - 1;
    const sent = { ...params, item: this.#dispatched[item] ?? null };
    void this.client.dispatch<JsonObject, Json>({ name }, sent).then((reply) => this.#replies.push(reply));
  }

  #hold(at: number): void {
    this.#held.set(
      at,
      this.#store(at).subscribe(() => this.check()),
    );
  }

  #store(at: number): StoreHandle<Json> {
    return this.client.store<Json>(REFS[at] as (typeof REFS)[number]);
  }

  #key(at: number): string {
    const { name, params } = REFS[at] as (typeof REFS)[number];
    return keyOf(name, params);
  }
}

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
});

afterEach(() => {
  vi.useRealTimers();
});

test('whatever is cut, delayed or committed: one chain, one socket, each action once and in order', async () => {
  await fc.assert(
    fc.asyncProperty(fc.boolean(), fc.array(command, { maxLength: 60, size: 'max' }), async (begun, commands) => {
      const world = new World();
      if (begun) await world.begin();
      for (const step of commands) {
        world.run(step);
        await turn();
        world.check();
      }
      await world.end();
    }),
    { numRuns: 300 },
  );
});
