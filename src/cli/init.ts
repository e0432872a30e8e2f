// `millrace init`: a directory with a commented configuration, fresh keys, and a membership file with the node's own entry.
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { Command } from 'commander';
import { MixError } from '../base/index.js';
import {
  createKeyFiles,
  keyFilesIn,
  loadCertificate,
  makePrivateDirectory,
  membershipEntry,
  nodeConfigFile,
  writePrivate,
} from '../node/index.js';

const CERTIFICATE_DAYS = 365;

interface InitOptions {
  readonly dir: string;
  readonly network: string;
  readonly address: string;
  readonly gateway: string;
}

export function initCommand(): Command {
  return new Command('init')
    .description('write a commented node.toml, keys and a membership entry into a new directory')
    .requiredOption('-d, --dir <directory>', 'directory to fill; existing files are never overwritten')
    .option('--network <name>', 'name of the network', 'example')
    .option('--address <host:port>', 'address of this node for team members', '127.0.0.1:7411')
    .option('--gateway <host:port>', 'address of this node for senders', '127.0.0.1:7412')
    .action(init);
}

async function init({ dir, network, address, gateway }: InitOptions): Promise<void> {
  const configFile = join(dir, 'node.toml');
  const membershipFile = join(dir, 'membership.toml');
  for (const file of [configFile, membershipFile]) {
    if (existsSync(file)) throw new MixError('INPUT_INVALID', { file, why: 'it exists; init overwrites nothing' });
  }
  makePrivateDirectory(dir);
  const files = keyFilesIn(dir);
  const key = await createKeyFiles(files, CERTIFICATE_DAYS);
  const { certificate } = loadCertificate(files);
  const member = { node: key.nodeId, address, gatewayAddress: gateway, identityKey: key.publicKey, certificate };
  writePrivate(configFile, nodeConfigFile({ network }));
  writePrivate(
    membershipFile,
    `# Every node of the network, the same file everywhere.\ngeneration = 1\n\n${membershipEntry(member)}`,
  );
  process.stdout.write(
    [
      `node ${key.nodeId}`,
      `wrote ${configFile}, ${membershipFile} and keys`,
      'next: add the other members to membership.toml, fill in [scheduler] of node.toml, then',
      `  millrace run --config ${configFile}`,
      '',
    ].join('\n'),
  );
}
