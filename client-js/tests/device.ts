/** What the tabs of one browser share: a storage that can break, locks, and channels. */
import { memoryStorage } from '../src/storage.ts';
import type { DeviceStorage } from '../src/storage.ts';

interface Channel {
  readonly name: string;
  onmessage: ((message: { data: unknown }) => void) | null;
}

type Held = (lock: Lock | null) => Promise<void>;

export class Device {
  readonly storage: DeviceStorage = memoryStorage();
  /** True while nothing can be written: the quota is used up. */
  full = false;
  readonly #held = new Set<string>();
  readonly #waiting: { name: string; tab: Tab; grant: () => void }[] = [];
  readonly #channels = new Set<Channel>();

  /** In place of the platform's, whose messages come in no turn that a test could wait for. */
  readonly BroadcastChannel = ((channels) =>
    class implements Channel {
      readonly name: string;
      onmessage: Channel['onmessage'] = null;

      constructor(name: string) {
        this.name = name;
        channels.add(this);
      }

      postMessage(data: unknown): void {
        for (const other of channels) {
          if (other !== this && other.name === this.name) queueMicrotask(() => other.onmessage?.({ data }));
        }
      }

      close(): void {
        channels.delete(this);
      }
    })(this.#channels);

  /** Lock for a tab, and let the next one have it when the tab is gone or lets go. */
  request(tab: Tab, name: string, ifAvailable: boolean, held: Held): void {
    if (this.#held.has(name)) {
      if (ifAvailable) void held(null);
      else this.#waiting.push({ name, tab, grant: () => this.request(tab, name, false, held) });
      return;
    }
    this.#held.add(name);
    void Promise.race([held({ name, mode: 'exclusive' }), tab.gone]).then(() => {
      this.#held.delete(name);
      const next = this.#waiting.findIndex((one) => one.name === name && !one.tab.dead);
      if (next >= 0) this.#waiting.splice(next, 1)[0]?.grant();
    });
  }
}

/** One tab of a device; what it says after its death is not heard. */
export class Tab {
  readonly #device: Device;
  dead = false;
  #die: () => void = () => undefined;
  readonly gone: Promise<void> = new Promise((resolve) => {
    this.#die = resolve;
  });

  constructor(device: Device) {
    this.#device = device;
  }

  crash(): void {
    this.dead = true;
    this.#die();
  }

  readonly storage: DeviceStorage = {
    list: (prefix) => this.#device.storage.list(prefix),
    write: async (changes) => {
      if (this.dead) return new Promise(() => undefined);
      if (this.#device.full) throw new DOMException('The quota is used up.', 'QuotaExceededError');
      return this.#device.storage.write(changes);
    },
  };

  readonly locks = {
    request: async (name: string, { ifAvailable = false }: LockOptions, held: Held): Promise<void> => {
      if (!this.dead) this.#device.request(this, name, ifAvailable, held);
    },
  } as unknown as Pick<LockManager, 'request'>;
}
