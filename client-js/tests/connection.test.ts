import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  BACKOFF_CAP_MS,
  BACKOFF_MS,
  HANDSHAKE_MS,
  makeConnection,
  REFRESH_AGAIN_MS,
  REFRESH_AT,
  STABLE_MS,
  WAKE_MS,
} from '../src/connection.ts';
import type { Connection, ConnectionOptions, Effect, Event, State } from '../src/connection.ts';

const WELCOME = '{"type":"welcome","protocol":1,"actor":"ada","max_frame":65536,"heartbeat_ms":25000}';
const HEARTBEAT_MS = 25_000;

function connection(options: Partial<ConnectionOptions> = {}): Connection {
  return makeConnection({ client: () => '0b5e', actor: undefined, renewable: false, random: () => 1, ...options });
}

/** Feeds events of the newest attempt, and keeps the time. */
class Driver {
  readonly at: Connection;
  now = 0;
  attempt = 0;
  effects: Effect[] = [];

  constructor(at: Connection = connection()) {
    this.at = at;
  }

  take(event: Event): string[] {
    this.effects = this.at.take(event, this.now);
    for (const effect of this.effects) if (effect.type === 'authorise') this.attempt = effect.attempt;
    return this.effects.map(({ type }) => type);
  }

  connect = (): string[] => this.take({ type: 'connect' });
  token = (): string[] => this.take({ type: 'token', attempt: this.attempt, token: 'a.b.c' });
  opened = (): string[] => this.take({ type: 'opened', attempt: this.attempt });
  message = (text: string): string[] => this.take({ type: 'message', attempt: this.attempt, text });
  closed = (code: number): string[] => this.take({ type: 'closed', attempt: this.attempt, code, reason: 'why' });

  /** Waits for the deadline, and gives the timer's event. */
  timer = (): string[] => {
    this.now = this.at.deadline;
    return this.take({ type: 'timer' });
  };

  /** Goes on until the connection is in a state. */
  reach(state: State): this {
    const steps = [this.connect, this.token, this.opened, () => this.message(WELCOME)];
    while (this.at.state !== state) steps.shift()?.();
    return this;
  }
}

describe('opening (§2)', () => {
  test('asks for a token, opens a socket, says hello, and is open after welcome', () => {
    const driver = new Driver();
    expect(driver.connect()).toEqual(['authorise']);
    expect(driver.token()).toEqual(['open']);
    expect(driver.opened()).toEqual(['send']);
    const hello = { type: 'hello', protocols: [1], token: 'a.b.c', client: '0b5e' };
    expect(driver.effects).toEqual([{ type: 'send', text: JSON.stringify(hello) }]);
    expect(driver.message(WELCOME)).toEqual(['frame']);
    expect(driver.at.state).toBe('open');
    expect(driver.at.ending).toBeUndefined();
  });

  test.each<State>(['connecting', 'greeting'])('a handshake that takes too long in "%s" is given up', (state) => {
    const driver = new Driver().reach(state);
    expect(driver.at.deadline).toBe(HANDSHAKE_MS);
    expect(driver.timer()).toEqual(['close']);
    expect(driver.at.state).toBe('waiting');
  });

  test('any other frame before welcome is a fault of the front', () => {
    const driver = new Driver().reach('greeting');
    expect(driver.message('{"type":"pong"}')).toEqual(['close']);
    expect(driver.at.state).toBe('waiting');
  });

  test('a front of another protocol that lets this client in is not talked to', () => {
    const driver = new Driver().reach('greeting');
    expect(driver.message(WELCOME.replace('"protocol":1', '"protocol":2'))).toEqual(['close']);
    expect(driver.at.state).toBe('stopped');
    expect(driver.at.ending).toEqual({ code: 4003, reason: 'the front speaks protocol 2' });
  });

  test('§1: an unknown frame is ignored at any time', () => {
    const driver = new Driver().reach('greeting');
    expect(driver.message('{"type":"weather"}')).toEqual([]);
    driver.reach('open');
    expect(driver.message('{"type":"weather"}')).toEqual([]);
    expect(driver.at.state).toBe('open');
  });
});

describe('open', () => {
  test('frames are passed on; pong and a second welcome are not', () => {
    const driver = new Driver().reach('open');
    expect(driver.message('{"type":"commit","updates":2}')).toEqual(['frame']);
    expect(driver.message('{"type":"pong"}')).toEqual([]);
    expect(driver.message(WELCOME)).toEqual([]);
  });

  test('a message that is no frame ends the connection, and it comes back', () => {
    const driver = new Driver().reach('open');
    expect(driver.message('{"type":"commit"}')).toEqual(['lost', 'close']);
    expect(driver.at.state).toBe('waiting');
    expect(driver.at.ending).toEqual({ code: 1006, reason: 'not a frame: commit.updates' });
  });

  test('§2: silence for a heartbeat is asked about, and for as long again ends the connection', () => {
    const driver = new Driver().reach('open');
    expect(driver.at.deadline).toBe(HEARTBEAT_MS);
    expect(driver.timer()).toEqual(['send']);
    expect(driver.effects).toEqual([{ type: 'send', text: '{"type":"ping"}' }]);
    expect(driver.at.deadline).toBe(2 * HEARTBEAT_MS);
    expect(driver.timer()).toEqual(['lost', 'close']);
    expect(driver.at.state).toBe('waiting');
  });

  test('any message counts as a sign of life', () => {
    const driver = new Driver().reach('open');
    driver.timer();
    driver.now += 10;
    driver.message('{"type":"weather"}');
    expect(driver.at.deadline).toBe(HEARTBEAT_MS + 10 + HEARTBEAT_MS);
    expect(driver.timer()).toEqual(['send']);
  });

  test('a timer that comes late, as after a sleep, asks before it judges', () => {
    const driver = new Driver().reach('open');
    driver.now = 100 * HEARTBEAT_MS;
    expect(driver.take({ type: 'timer' })).toEqual(['send']);
    expect(driver.message('{"type":"pong"}')).toEqual([]);
    expect(driver.at.state).toBe('open');
  });

  test('a timer that comes early does nothing', () => {
    const driver = new Driver().reach('open');
    driver.now = HEARTBEAT_MS - 1;
    expect(driver.take({ type: 'timer' })).toEqual([]);
  });
});

describe('a fresh token (§2)', () => {
  const HOUR_MS = 3_600_000;

  function opened(options: Partial<ConnectionOptions>, goodFor: number): Driver {
    const driver = new Driver(connection(options));
    driver.connect();
    driver.take({ type: 'token', attempt: driver.attempt, token: 'a.b.c', goodFor });
    driver.opened();
    driver.message(WELCOME);
    return driver;
  }

  /** Heartbeats until something else is due. */
  function beats(driver: Driver): string[] {
    for (;;) {
      const effects = driver.timer();
      if (effects[0] !== 'send') return effects;
      driver.message('{"type":"pong"}');
    }
  }

  test('is asked for before the old one ends, and shown on the connection that is there', () => {
    const driver = opened({ renewable: true }, HOUR_MS);
    expect(beats(driver)).toEqual(['authorise']);
    expect(driver.now).toBe(HOUR_MS * REFRESH_AT);
    expect(driver.at.state).toBe('open');
    driver.take({ type: 'token', attempt: driver.attempt, token: 'd.e.f', goodFor: HOUR_MS });
    expect(driver.effects).toEqual([{ type: 'send', text: '{"type":"refresh","token":"d.e.f"}' }]);
    expect(beats(driver)).toEqual(['authorise']);
    expect(driver.now).toBe(2 * HOUR_MS * REFRESH_AT);
  });

  test('that cannot be had is asked for again, and the connection goes on meanwhile', () => {
    const driver = opened({ renewable: true }, HOUR_MS);
    beats(driver);
    const { now } = driver;
    expect(driver.take({ type: 'no token', attempt: driver.attempt })).toEqual([]);
    expect(driver.at.deadline).toBe(now + REFRESH_AGAIN_MS);
    expect(driver.timer()).toEqual(['authorise']);
    expect(driver.at.state).toBe('open');
  });

  test.each([
    ['of which there is only one', { renewable: false }, HOUR_MS],
    ['that does not say when it ends', { renewable: true }, NaN],
    ['that has ended long ago by a clock that is wrong', { renewable: true }, -HOUR_MS],
  ])('for one %s: none is asked for', (_what, options, goodFor) => {
    const driver = opened(options, goodFor);
    for (let beat = 0; beat < 1_000; beat += 1) {
      expect(driver.timer()).toEqual(['send']);
      driver.message('{"type":"pong"}');
    }
  });
});

describe('closing (§6)', () => {
  test.each<[number, State]>([
    [1000, 'waiting'],
    [1006, 'waiting'],
    [4200, 'waiting'],
    [4102, 'waiting'],
    [4001, 'stopped'],
    [4003, 'stopped'],
    [4100, 'signed out'],
    [4101, 'signed out'],
  ])('%i leads to "%s"', (code, state) => {
    const driver = new Driver().reach('open');
    expect(driver.closed(code)).toEqual(['lost']);
    expect(driver.at.state).toBe(state);
    expect(driver.at.ending).toEqual({ code, reason: 'why' });
  });

  test('a refused token is renewed once, if it can be, and once more after each welcome', () => {
    const driver = new Driver(connection({ renewable: true })).reach('greeting');
    driver.closed(4101);
    expect(driver.at.state).toBe('waiting');
    expect(driver.timer()).toEqual(['authorise']);
    driver.token();
    driver.opened();
    driver.closed(4101);
    expect(driver.at.state).toBe('signed out');
    driver.reach('open').closed(4101);
    expect(driver.at.state).toBe('waiting');
  });

  test.each<State>(['signed out', 'stopped', 'waiting', 'idle'])('"%s" can be left by connecting', (state) => {
    const driver = new Driver();
    const code = { waiting: 1006, stopped: 4003, 'signed out': 4101 }[state as string];
    if (code !== undefined) driver.reach('greeting').closed(code);
    expect(driver.at.state).toBe(state);
    expect(driver.connect()).toEqual(['authorise']);
  });

  test.each<State>(['connecting', 'greeting', 'open'])('disconnecting in "%s" closes the socket', (state) => {
    const driver = new Driver().reach(state);
    expect(driver.take({ type: 'disconnect' })).toContain('close');
    expect(driver.at.state).toBe('idle');
    expect(driver.at.deadline).toBe(Infinity);
  });
});

describe('back-off', () => {
  /** Fails again and again; the waits. */
  function waits(driver: Driver, times: number): number[] {
    return Array.from({ length: times }, () => {
      driver.reach('connecting').closed(1006);
      const wait = driver.at.deadline - driver.now;
      driver.timer();
      return wait;
    });
  }

  test('doubles up to the cap, and is spread over all of it', () => {
    const doubling = [1, 2, 4, 8, 16, 32].map((factor) => factor * BACKOFF_MS);
    expect(waits(new Driver(), 8)).toEqual([...doubling, BACKOFF_CAP_MS, BACKOFF_CAP_MS]);
    expect(waits(new Driver(connection({ random: () => 0 })), 3)).toEqual([0, 0, 0]);
  });

  test('begins anew after a connection that lasted, and not after one that did not', () => {
    const driver = new Driver();
    waits(driver, 3);
    driver.reach('open').closed(1006);
    expect(driver.at.deadline - driver.now).toBe(8 * BACKOFF_MS);
    driver.timer();
    driver.reach('open');
    driver.now += STABLE_MS;
    driver.closed(1006);
    expect(driver.at.deadline - driver.now).toBe(BACKOFF_MS);
  });

  test('begins anew after disconnecting', () => {
    const driver = new Driver();
    waits(driver, 3);
    driver.take({ type: 'disconnect' });
    expect(waits(driver, 1)).toEqual([BACKOFF_MS]);
  });

  test('a token that cannot be had is asked for again', () => {
    const driver = new Driver();
    driver.connect();
    expect(driver.take({ type: 'no token', attempt: driver.attempt })).toEqual([]);
    expect(driver.at.state).toBe('waiting');
    expect(driver.timer()).toEqual(['authorise']);
  });
});

test('events of an earlier attempt change nothing', () => {
  const driver = new Driver().reach('open');
  const late = driver.attempt;
  driver.closed(1006);
  driver.timer();
  const before = driver.at.state;
  for (const event of [
    { type: 'token', attempt: late, token: 'late' },
    { type: 'no token', attempt: late },
    { type: 'opened', attempt: late },
    { type: 'message', attempt: late, text: WELCOME },
    { type: 'closed', attempt: late, code: 4001, reason: '' },
  ] as Event[]) {
    expect(driver.take(event)).toEqual([]);
    expect(driver.at.state).toBe(before);
  }
});

test('whatever happens: nothing is thrown, one socket at most, sent on only when it is open, never stuck', () => {
  const kind = fc.constantFrom<Event['type']>(
    ...(['connect', 'disconnect', 'token', 'no token', 'opened', 'message', 'closed', 'timer', 'wake'] as const),
  );
  const text = fc.constantFrom(WELCOME, '{"type":"pong"}', '{"type":"commit","updates":1}', '{', '{"type":"new"}');
  const code = fc.constantFrom(1006, 4001, 4101, 4200);
  const goodFor = fc.constantFrom(NaN, 60_000);
  const pause = fc.constantFrom(0, 100, 30_000);
  const step = fc.record({ kind, late: fc.nat(2), text, code, goodFor, pause });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 80, size: 'max' }), fc.boolean(), (steps, renewable) => {
      const driver = new Driver(connection({ renewable }));
      let socket: 'none' | 'opening' | 'open' = 'none';
      for (const taken of steps) {
        driver.now += taken.pause;
        // Mostly of the newest attempt, which alone has a socket that can report anything.
        const attempt = taken.late === 2 ? driver.attempt - 1 : driver.attempt;
        const current = attempt === driver.attempt;
        if (current && taken.kind === 'opened' && socket !== 'opening') continue;
        if (current && taken.kind === 'message' && socket !== 'open') continue;
        if (current && taken.kind === 'closed' && socket === 'none') continue;
        if (current && taken.kind === 'opened') socket = 'open';
        if (current && taken.kind === 'closed') socket = 'none';
        driver.take({ ...taken, type: taken.kind, attempt, token: 't', reason: '' } as Event);
        for (const { type } of driver.effects) {
          if (type === 'open') expect(socket).toBe('none');
          if (type === 'send') expect(socket).toBe('open');
          if (type === 'open') socket = 'opening';
          if (type === 'close') socket = 'none';
        }
        const { state, deadline } = driver.at;
        expect(socket !== 'none').toBe(['connecting', 'greeting', 'open'].includes(state));
        expect(deadline < Infinity).toBe(['connecting', 'greeting', 'open', 'waiting'].includes(state));
      }
    }),
    { numRuns: 500 },
  );
});

describe('waking up', () => {
  test('a wait is cut short, but not one that the front has asked for (§6)', () => {
    const lost = new Driver().reach('open');
    lost.closed(1006);
    expect(lost.take({ type: 'wake' })).toEqual(['authorise']);
    const asked = new Driver().reach('open');
    asked.now = 1_000;
    asked.take({ type: 'closed', attempt: asked.attempt, code: 4200, reason: 'come back in 7000 ms' });
    expect(asked.at.deadline).toBe(8_000);
    expect(asked.take({ type: 'wake' })).toEqual([]);
    expect(asked.timer()).toEqual(['authorise']);
  });

  test('no front can send a client away for more than five minutes', () => {
    const driver = new Driver().reach('open');
    driver.take({ type: 'closed', attempt: driver.attempt, code: 4200, reason: 'come back in 99999999999999 ms' });
    expect(driver.at.deadline).toBe(300_000);
  });

  test('an open connection is asked for a sign of life, with little patience', () => {
    const driver = new Driver().reach('open');
    expect(driver.take({ type: 'wake' })).toEqual(['send']);
    expect(driver.at.deadline).toBe(WAKE_MS);
    expect(driver.take({ type: 'wake' })).toEqual([]);
    expect(driver.timer()).toEqual(['lost', 'close']);
    expect(driver.at.state).toBe('waiting');
  });
});

test('a token that speaks for somebody else opens no connection', () => {
  const driver = new Driver(connection({ actor: 'bob' }));
  driver.reach('greeting');
  expect(driver.message(WELCOME)).toEqual(['close']);
  expect(driver.at.state).toBe('signed out');
  expect(driver.at.ending?.reason).toBe('the token is not of bob');
});
