// The membership list as a file, the same one on every node: members, their addresses, identity keys and pinned certificates. Apart from
// the configurations because nodes, schedulers and commands all read it.
import { z } from 'zod';
import { checkText, fromHex, isNodeId, MixError, toHex } from '../../base/index.js';
import { type Member, Membership } from '../../protocol/index.js';
import { readPlain } from './configFile.js';
import { address, key } from './sections.js';

const schema = z.strictObject({
  generation: z.int().min(0),
  members: z
    .array(
      z.strictObject({
        node: z.string(),
        address,
        gateway: address,
        identity_key: key,
        certificate: z.string().min(1),
        next_certificate: z.string().min(1).optional(),
      }),
    )
    .min(2),
});

/** Reads a membership list. @throws MixError CONFIG_INVALID, CERTIFICATE_INVALID */
export function loadMembership(file: string): Membership {
  checkText(file, 'file');
  const { generation, members } = readPlain(schema, file);
  const list = members.map((member): Member => {
    if (!isNodeId(member.node)) throw new MixError('CONFIG_INVALID', { file, key: 'members.node', got: member.node });
    return {
      node: member.node,
      address: member.address,
      gatewayAddress: member.gateway,
      identityKey: fromHex(member.identity_key)!,
      certificate: member.certificate,
      nextCertificate: member.next_certificate,
    };
  });
  return new Membership(generation, list);
}

/** Writes one member's entry of a membership file. */
export function membershipEntry(member: Member): string {
  const { node, address: team, gatewayAddress, identityKey, certificate, nextCertificate } = member;
  return [
    '[[members]]',
    `node = "${node}"`,
    `address = "${team}"`,
    `gateway = "${gatewayAddress}"`,
    `identity_key = "${toHex(identityKey)}"`,
    `certificate = """\n${certificate.trim()}\n"""`,
    ...(nextCertificate === undefined ? [] : [`next_certificate = """\n${nextCertificate.trim()}\n"""`]),
    '',
  ].join('\n');
}
