// The faults of a soak: at random moments a random link fails; each fault is repaired after a while.
import { sleep, systemClock } from '../../src/base/clock.js';
import { type Rng, randomBelow, randomFraction } from '../../src/base/rng.js';
import { FaultyProxy } from '../comms/faults/proxy.js';
import type { FeedNetwork } from '../support/feedNetwork.js';

const FAULTS = ['cut', 'cutLater', 'swallow', 'refuse', 'stall', 'reload'] as const;
type Fault = (typeof FAULTS)[number];

/** Maximum time between two faults. */
const PAUSE_MS = 4_000;
/** Maximum time that a peer is unreachable. */
const REFUSE_MS = 3_000;

export class Mischief {
  readonly proxies: FaultyProxy[] = [];
  readonly counts = new Map<Fault, number>();
  readonly #rng: Rng;

  constructor(rng: Rng) {
    this.#rng = rng;
  }

  /** Puts a proxy in front of an address; returns the proxy's address, which is announced instead. */
  async inFrontOf(address: string): Promise<string> {
    const proxy = await FaultyProxy.start(Number(address.slice(address.lastIndexOf(':') + 1)));
    this.proxies.push(proxy);
    return `127.0.0.1:${proxy.port}`;
  }

  /** Causes faults until the signal aborts, while `held` returns false. */
  async work(network: FeedNetwork, signal: AbortSignal, held: () => boolean): Promise<void> {
    while (!signal.aborted) {
      await sleep(systemClock, 200 + randomFraction(this.#rng) * PAUSE_MS, signal);
      if (signal.aborted || held()) continue;
      const fault = FAULTS[randomBelow(this.#rng, FAULTS.length)]!;
      this.counts.set(fault, (this.counts.get(fault) ?? 0) + 1);
      await this.#do(fault, network, signal);
    }
  }

  async #do(fault: Fault, network: FeedNetwork, signal: AbortSignal): Promise<void> {
    const proxy = this.proxies[randomBelow(this.#rng, this.proxies.length)]!;
    switch (fault) {
      case 'cut':
        proxy.cut();
        return;
      case 'cutLater':
        proxy.cutAfter(randomBelow(this.#rng, 200_000));
        return;
      case 'swallow':
        proxy.swallow();
        return;
      case 'stall':
        proxy.stallNewest();
        return;
      case 'refuse':
        proxy.refuse(true);
        proxy.cut();
        await sleep(systemClock, randomFraction(this.#rng) * REFUSE_MS, signal);
        proxy.refuse(false);
        return;
      case 'reload':
        network.nodes[randomBelow(this.#rng, network.nodes.length)]!.process.kill('SIGHUP');
    }
  }

  report(): string {
    return [...this.counts].map(([fault, count]) => `${fault} ${count}`).join(', ');
  }

  async close(): Promise<void> {
    await Promise.all(this.proxies.map((proxy) => proxy.close()));
  }
}
