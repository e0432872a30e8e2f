// All peers that this process calls, by id. Adding a known peer changes nothing and gives its present host; a host goes only when it is
// removed. The membership list may change while connections are up: hosts of members that have left are removed, those with another
// address or certificate are dialled anew, all others notice nothing.
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

  /** Gives the host of a peer: the present one, unchanged, or a new one. */
  add(facts: PeerFacts, options: Partial<HostOptions> = {}): Host {
    const known = this.#hosts.get(facts.id);
    if (known) return known;
    const host = new Host(facts, { ...this.#options, ...options }, this.deps);
    this.#hosts.set(facts.id, host);
    return host;
  }

  /** Gives the host of a peer as it is listed now; a host that was listed otherwise is removed first. */
  current(facts: PeerFacts, options: Partial<HostOptions> = {}): Host {
    const known = this.#hosts.get(facts.id);
    if (known && !isSame(known.facts, facts)) this.remove(facts.id);
    return this.add(facts, options);
  }

  find(id: string): Host | undefined {
    return this.#hosts.get(id);
  }

  /** Closes a host's connections and forgets it; false if there is none. */
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

  /** Removes hosts whose members have left or changed, except for `others`: the next call dials by the new list. */
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

/** A member's facts as a peer to call. */
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
