// The membership list: identity key, addresses and pinned certificates of every node.
import { createHash, X509Certificate } from 'node:crypto';
import { checkBytes, checkObject, checkText, checkWhole, MixError, type NodeId, refuse } from '../base/index.js';
import { deriveNodeId } from '../cmix/index.js';

export interface Member {
  readonly node: NodeId;
  /** host:port of its team listener. */
  readonly address: string;
  /** host:port of its gateway, for senders. */
  readonly gatewayAddress: string;
  /** Ed25519 public key, 32 bytes. */
  readonly identityKey: Uint8Array;
  /** PEM */
  readonly certificate: string;
  /** Successor of `certificate`. Listed before its owner switches to it, so that nobody has to switch at the same moment. */
  readonly nextCertificate?: string | undefined;
}

/** The certificates that a member may show. */
export function pinnedCertificates({ certificate, nextCertificate }: Member): readonly string[] {
  return nextCertificate === undefined ? [certificate] : [certificate, nextCertificate];
}

/** @throws MixError ARGUMENT_INVALID */
function checkMember(member: Member, argument: string): void {
  checkObject(member, argument);
  for (const name of ['node', 'address', 'gatewayAddress', 'certificate'] as const) {
    checkText(member[name], `${argument}.${name}`);
  }
  checkBytes(member.identityKey, `${argument}.identityKey`);
  if (member.nextCertificate !== undefined) checkText(member.nextCertificate, `${argument}.nextCertificate`);
}

/** An immutable membership list of one generation. */
export class Membership {
  readonly generation: number;
  readonly members: readonly Member[];
  readonly #byNode = new Map<NodeId, Member>();
  readonly #byFingerprint = new Map<string, Member>();

  /**
   * @throws MixError ARGUMENT_INVALID, CERTIFICATE_INVALID; CONFIG_INVALID if an id does not match its key, or two members share an id or
   * a certificate
   */
  constructor(generation: number, members: readonly Member[]) {
    checkWhole(generation, 'generation', 0, Number.MAX_SAFE_INTEGER);
    if (!Array.isArray(members)) refuse('members', 'an array', members);
    for (const [i, member] of members.entries()) checkMember(member, `members[${i}]`);
    this.generation = generation;
    this.members = members;
    for (const member of members) {
      const fingerprints = new Set(pinnedCertificates(member).map(certificateFingerprint));
      if (member.node !== deriveNodeId(member.identityKey)) {
        throw new MixError('CONFIG_INVALID', {
          key: 'members',
          node: member.node,
          why: 'not the id of its identity key',
        });
      }
      if (this.#byNode.has(member.node) || [...fingerprints].some((one) => this.#byFingerprint.has(one))) {
        throw new MixError('CONFIG_INVALID', { key: 'members', node: member.node, why: 'listed twice' });
      }
      this.#byNode.set(member.node, member);
      for (const fingerprint of fingerprints) this.#byFingerprint.set(fingerprint, member);
    }
  }

  find(node: NodeId): Member | undefined {
    return this.#byNode.get(node);
  }

  /** @throws MixError PEER_UNKNOWN */
  get(node: NodeId): Member {
    const member = this.#byNode.get(node);
    if (!member) throw new MixError('PEER_UNKNOWN', { node });
    return member;
  }

  byFingerprint(fingerprint: string): Member | undefined {
    return this.#byFingerprint.get(fingerprint);
  }
}

/** SHA-256 over the DER of a PEM certificate, hex: the pin of a certificate. @throws MixError CERTIFICATE_INVALID */
export function certificateFingerprint(certificatePem: string): string {
  return createHash('sha256').update(readCertificate(certificatePem).raw).digest('hex');
}

/** The same fingerprint from the form in which TLS reports it, `AB:CD:…`; empty if the peer has shown no certificate. */
export const plainFingerprint = (fingerprint256 = ''): string => fingerprint256.replaceAll(':', '').toLowerCase();

/** @throws MixError CERTIFICATE_INVALID */
export function readCertificate(certificatePem: string): X509Certificate {
  try {
    return new X509Certificate(certificatePem);
  } catch (cause) {
    throw new MixError('CERTIFICATE_INVALID', { reason: (cause as Error).message }, { cause });
  }
}
