// A node's credentials and the parties that it trusts: identity key, certificates, membership list and scheduler, from its files.
// Certificate and membership list may change while the node runs: on SIGHUP it reads them again, and everything that uses them asks here
// for the present ones. A file that cannot be used changes nothing.

import { MixError } from '../../base/index.js';
import type { SigningKey } from '../../cmix/index.js';
import { certificateFingerprint, type Membership, pinnedCertificates } from '../../protocol/index.js';
import { type CertificatePair, checkPair } from '../../transport/index.js';
import { loadCertificate, loadSigningKey } from './keyFiles.js';
import { loadMembership } from './membershipFile.js';
import type { NodeConfig } from './nodeConfig.js';

interface SchedulerFacts {
  readonly address: string;
  /** PEM, pinned. */
  readonly certificate: string;
  /** Ed25519 public key, 32 bytes. */
  readonly key: Uint8Array;
}

/** Changes by a reload. */
interface CredentialsChange {
  readonly certificate: boolean;
  readonly membership: boolean;
}

export class Credentials {
  readonly key: SigningKey;
  readonly scheduler: SchedulerFacts;
  readonly #config: NodeConfig;
  #certificate: CertificatePair;
  #membership: Membership;

  /** Reads everything. @throws MixError CONFIG_INVALID, CERTIFICATE_INVALID, PEER_UNKNOWN if the node is not on its list */
  constructor(config: NodeConfig) {
    this.#config = config;
    this.key = loadSigningKey(config.identity.key_file);
    const { address, certificate_file: certificateFile, key } = config.scheduler;
    const certificateKeyFile = config.identity.certificate_key_file;
    const { certificate } = loadCertificate({ certificateFile, certificateKeyFile });
    this.scheduler = { address, certificate, key: new Uint8Array(Buffer.from(key, 'hex')) };
    this.#certificate = this.#readCertificate();
    this.#membership = this.#readMembership();
  }

  get certificate(): CertificatePair {
    return this.#certificate;
  }

  get membership(): Membership {
    return this.#membership;
  }

  /**
   * Reads certificate and membership list again; nothing changes if either cannot be used.
   * @throws MixError CONFIG_INVALID, CERTIFICATE_INVALID, PEER_UNKNOWN
   */
  reload(): CredentialsChange {
    const certificate = this.#readCertificate();
    const membership = this.#readMembership();
    if (membership.generation < this.#membership.generation) {
      const { generation } = membership;
      throw new MixError('CONFIG_INVALID', { file: this.#config.membership_file, key: 'generation', got: generation });
    }
    const pinned = pinnedCertificates(membership.get(this.key.nodeId)).map(certificateFingerprint);
    if (!pinned.includes(certificateFingerprint(certificate.certificate))) {
      const why = 'the membership list does not pin it: list it as next_certificate, everywhere, before it is used';
      throw new MixError('CERTIFICATE_INVALID', { reason: why });
    }
    const change = {
      certificate: certificate.certificate !== this.#certificate.certificate,
      membership: membershipText(membership) !== membershipText(this.#membership),
    };
    this.#certificate = certificate;
    this.#membership = membership;
    return change;
  }

  #readCertificate(): CertificatePair {
    const { certificate_file: certificateFile, certificate_key_file: certificateKeyFile } = this.#config.identity;
    const pair = loadCertificate({ certificateFile, certificateKeyFile });
    checkPair(pair);
    return pair;
  }

  #readMembership(): Membership {
    const membership = loadMembership(this.#config.membership_file);
    membership.get(this.key.nodeId);
    return membership;
  }
}

/** The content of a membership list as text, for comparison; a node id stands for its identity key. */
function membershipText({ generation, members }: Membership): string {
  const entries = members.map((member) => [
    member.node,
    member.address,
    member.gatewayAddress,
    ...pinnedCertificates(member).map(certificateFingerprint),
  ]);
  return JSON.stringify([generation, ...entries]);
}
