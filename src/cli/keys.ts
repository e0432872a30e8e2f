// `millrace keys`: creates a node's identity and certificate, and shows what others need to know of them.
import { Command } from 'commander';
import { toHex } from '../base/index.js';
import { createKeyFiles, keyFilesIn, loadCertificate, loadSigningKey, membershipEntry } from '../node/index.js';
import { certificateFingerprint } from '../protocol/index.js';
import { readExpiry } from '../transport/index.js';
import { whole } from './common/arguments.js';

const DAYS = 365;

export function keysCommand(): Command {
  const keys = new Command('keys').description("create or show a node's identity key and TLS certificate");
  keys
    .command('create')
    .description('create identity.key, certificate.pem and certificate.key; never overwrites')
    .requiredOption('-d, --dir <directory>', 'directory for the files')
    .option('--days <n>', 'days of validity of the certificate', whole(1, 3650), DAYS)
    .action(async ({ dir, days }: { dir: string; days: number }) => {
      await createKeyFiles(keyFilesIn(dir), days);
      show(dir);
    });
  keys
    .command('show')
    .description('show node id, public key and certificate of a directory, and its membership entry')
    .requiredOption('-d, --dir <directory>', 'directory of the files')
    .option('--address <host:port>', 'team address for the membership entry', 'HOST:PORT')
    .option('--gateway <host:port>', 'gateway address for the membership entry', 'HOST:PORT')
    .action(({ dir, address, gateway }: { dir: string; address: string; gateway: string }) => {
      show(dir);
      const files = keyFilesIn(dir);
      const key = loadSigningKey(files.keyFile);
      const { certificate } = loadCertificate(files);
      const member = { node: key.nodeId, address, gatewayAddress: gateway, identityKey: key.publicKey, certificate };
      process.stdout.write(`\n${membershipEntry(member)}`);
    });
  return keys;
}

function show(directory: string): void {
  const files = keyFilesIn(directory);
  const key = loadSigningKey(files.keyFile);
  const { certificate } = loadCertificate(files);
  const lines = [
    `node          ${key.nodeId}`,
    `identity key  ${toHex(key.publicKey)}`,
    `certificate   ${certificateFingerprint(certificate)} (SHA-256)`,
    `valid until   ${new Date(readExpiry(certificate)).toISOString()}`,
  ];
  process.stdout.write(`${lines.join('\n')}\n`);
}
