// Two nodes, of which the first reaches the second through a proxy that fails on command; and `fault`, which runs each test here
// MILLRACE_REPEAT times (`npm run faults -- --repeat 100`), each time on a fresh pair.
import { it } from 'vitest';
import { createMetrics, type Metrics } from '../../../src/base/metrics.js';
import { type Member, Membership } from '../../../src/protocol/membership.js';
import type { Host, HostDeps, HostOptions } from '../../../src/transport/calling/host.js';
import { peerFacts } from '../../../src/transport/calling/hosts.js';
import { LinkMetrics } from '../../../src/transport/linkMetrics.js';
import type { CallAuthenticatorOptions } from '../../../src/transport/serving/callAuthenticator.js';
import { counted, hostsOf, identity, Loopback, OwnLink, type ServingNode } from '../support.js';
import { FaultyProxy } from './proxy.js';

const REPEAT = Number(process.env.MILLRACE_REPEAT ?? 1);
const LIMIT_MS = 20_000;

/** A test of a fault, repeated: it must pass every time. */
export function fault(promise: string, run: () => Promise<void>): void {
  it(promise, { repeats: REPEAT - 1, timeout: LIMIT_MS }, run);
}

export interface PairOptions {
  readonly host?: Partial<HostOptions>;
  readonly deps?: Partial<HostDeps>;
  readonly authenticator?: Partial<CallAuthenticatorOptions>;
}

export class FaultyPair {
  readonly loopback: Loopback;
  readonly proxy: FaultyProxy;
  /** Link to the other node through the proxy. */
  readonly link: OwnLink;
  readonly metrics: Metrics;
  /** Membership list of the calling node. */
  list: Membership;

  private constructor(loopback: Loopback, proxy: FaultyProxy, options: PairOptions) {
    this.loopback = loopback;
    this.proxy = proxy;
    this.list = new Membership(0, [loopback.nodes[0]!.member, this.behindProxy()]);
    this.metrics = createMetrics();
    const hosts = hostsOf(this.from, {}, { metrics: new LinkMetrics(this.metrics), ...options.deps });
    this.link = new OwnLink(() => this.list, this.from, hosts, options.host);
  }

  /** Runs `work` on a fresh pair and closes everything afterwards. */
  static async with(work: (pair: FaultyPair) => Promise<void>, options: PairOptions = {}): Promise<void> {
    const identities = [await identity('caller'), await identity('called')];
    const loopback = await Loopback.start(identities, [], options.authenticator);
    const proxy = await FaultyProxy.start(portOf(loopback.nodes[1]!.member));
    const pair = new FaultyPair(loopback, proxy, options);
    try {
      await work(pair);
    } finally {
      pair.link.close();
      await proxy.close();
      await loopback.close();
    }
  }

  get from(): ServingNode {
    return this.loopback.nodes[0]!;
  }

  get to(): ServingNode {
    return this.loopback.nodes[1]!;
  }

  /** The called node as the caller lists it. */
  behindProxy(changes: Partial<Member> = {}): Member {
    return { ...this.to.member, address: `127.0.0.1:${this.proxy.port}`, ...changes };
  }

  /** The caller's host for the called node. */
  get host(): Host {
    return this.link.hosts.add(peerFacts(this.behindProxy()));
  }

  count(metric: string): Promise<number> {
    return counted(this.metrics, metric);
  }
}

export const portOf = ({ address }: Member): number => Number(address.slice(address.lastIndexOf(':') + 1));

export const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
