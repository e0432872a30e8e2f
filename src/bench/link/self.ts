// Identity of an end of the link of `millrace bench link`, the other end as a member of its list, and the kernel settings of its
// network namespace. Apart from end.ts because client.ts and server.ts use it.
import { writeFileSync } from 'node:fs';
import { MixError } from '../../base/index.js';
import { deriveNodeId, type SigningKey } from '../../cmix/index.js';
import type { Member } from '../../protocol/index.js';
import { asBytes, type CertificatePair } from '../../transport/index.js';
import type { EndFacts } from './messages.js';

export const NETWORK = 'bench';

/** An end's own keys. */
export interface OwnEnd {
  readonly key: SigningKey;
  readonly certificate: CertificatePair;
}

const settingFile = (name: string): string => `/proc/sys/net/ipv4/${name}`;

/** Sets a kernel setting of this namespace, below net.ipv4. @throws MixError INPUT_INVALID if the kernel refuses it */
export function setSysctl(name: string, value: string): void {
  try {
    writeFileSync(settingFile(name), value);
  } catch (cause) {
    const why = (cause as Error).message;
    throw new MixError('INPUT_INVALID', { sysctl: `net.ipv4.${name}`, value, why }, { cause });
  }
}

/** Returns the other end as a member of the list. */
export function asMember({ identityKey, certificate }: EndFacts, address: string): Member {
  const key = asBytes(Buffer.from(identityKey, 'hex'));
  return { node: deriveNodeId(key), address, gatewayAddress: address, identityKey: key, certificate };
}
