// All peers that this process calls, by id. Adding a peer that is there changes nothing and gives the one that is there; a peer
// goes only when it is removed. The membership list may change while connections are up: who has left is removed, who has
// another address or certificate is dialled anew, everybody else notices nothing.
import type { NodeId } from '../../base/index.js';
import { type Member, type Membership, pinnedCertificates } from '../../protocol/index.js';
import { Host, type HostDeps, type HostOptions, type HostState, LANES, type Lane, type PeerFacts } from './host.js';

interface ConnectionReport {
  readonly peer: string;
  readonly address: string;
  readonly state: HostState;
  readonly lanes: readonly Lane[];
  /** Minor version of the protocol on a connection that is up. */
  readonly protocolMinor: number | undefined;
}

export class HostManager {
  readonly deps: HostDeps;
  readonly #options: Partial<HostOptions>;
  readonly #hosts = new Map<string, Host>();

  constructor(options: Partial<HostOptions>, deps: HostDeps) {
    this.#options = options;
    this.deps = deps;
  }

  /** The host of a peer: the one that is there already, unchanged, or a new one. */
  add(facts: PeerFacts, options: Partial<HostOptions> = {}): Host {
    const known = this.#hosts.get(facts.id);
    if (known) return known;
    const host = new Host(facts, { ...this.#options, ...options }, this.deps);
    this.#hosts.set(facts.id, host);
    return host;
  }

  /** The host of a peer as it is listed now: one that was listed otherwise is removed first. */
  current(facts: PeerFacts, options: Partial<HostOptions> = {}): Host {
    const known = this.#hosts.get(facts.id);
    if (known && !isSame(known.facts, facts)) this.remove(facts.id);
    return this.add(facts, options);
  }

  find(id: string): Host | undefined {
    return this.#hosts.get(id);
  }

  /** Closes a host's connections and forgets it; false where there is none. */
  remove(id: string): boolean {
    const host = this.#hosts.get(id);
    if (!host) return false;
    this.#hosts.delete(id);
    host.close();
    this.deps.metrics.remove(id, LANES);
    return true;
  }

  /** Ends all connections; hosts stay, and dial again when they are called. */
  disconnectAll(): void {
    for (const host of this.#hosts.values()) host.disconnect();
  }

  /** Removes hosts that are members no more, or not as they were: the next call dials what the list says. */
  follow(membership: Membership, others: readonly string[] = []): void {
    for (const { facts } of [...this.#hosts.values()]) {
      if (others.includes(facts.id)) continue;
      const member = membership.find(facts.id as NodeId);
      if (!member || !isSame(facts, peerFacts(member))) this.remove(facts.id);
    }
  }

  report(): readonly ConnectionReport[] {
    return [...this.#hosts.values()].map((host) => {
      const connections = host.connections();
      const { id, address } = host.facts;
      return {
        peer: id,
        address,
        state: host.state,
        lanes: connections.map(({ lane }) => lane),
        protocolMinor: connections[0]?.hello.minor,
      };
    });
  }

  close(): void {
    for (const id of [...this.#hosts.keys()]) this.remove(id);
  }
}

/** A member as a peer that we call. */
export function peerFacts(member: Member): PeerFacts {
  const { node, address, identityKey } = member;
  return { id: node, address, identityKey, certificates: pinnedCertificates(member) };
}

function isSame(a: PeerFacts, b: PeerFacts): boolean {
  const sameCertificates =
    a.certificates.length === b.certificates.length &&
    a.certificates.every((pem, index) => pem === b.certificates[index]);
  return a.address === b.address && sameCertificates;
}
