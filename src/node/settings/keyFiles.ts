// Key files: a node's Ed25519 identity seed (64 hex digits, readable by its owner only) and its TLS certificate.
import { chmodSync, existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fromHex, MixError, Secret, systemRng, toHex } from '../../base/index.js';
import { SigningKey } from '../../cmix/index.js';
import { type CertificatePair, createCertificate } from '../../transport/index.js';

interface KeyFiles {
  readonly keyFile: string;
  readonly certificateFile: string;
  readonly certificateKeyFile: string;
}

export const keyFilesIn = (directory: string): KeyFiles => ({
  keyFile: join(directory, 'identity.key'),
  certificateFile: join(directory, 'certificate.pem'),
  certificateKeyFile: join(directory, 'certificate.key'),
});

/** Writes a new file that only its owner may read, whatever the umask. @throws Error if it exists */
export function writePrivate(file: string, text: string): void {
  writeFileSync(file, text, { mode: 0o600, flag: 'wx' });
  chmodSync(file, 0o600);
}

/** Makes a directory that only its owner may enter, whatever the umask, unless it exists. */
export function makePrivateDirectory(directory: string): void {
  if (existsSync(directory)) return;
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  chmodSync(directory, 0o700);
}

/** Makes the data directory of a node or scheduler, unless it exists. @throws MixError CONFIG_INVALID if it is open to others */
export function openDataDirectory(directory: string): void {
  makePrivateDirectory(directory);
  checkPrivate(directory, '700');
}

/** Creates an identity and a certificate for it. @throws MixError CONFIG_INVALID if one of the files exists */
export async function createKeyFiles(files: KeyFiles, certificateDays: number): Promise<SigningKey> {
  for (const file of Object.values(files)) {
    if (existsSync(file)) throw new MixError('CONFIG_INVALID', { file, why: 'it exists; keys are never overwritten' });
    makePrivateDirectory(dirname(file));
  }
  const key = SigningKey.generate(systemRng);
  const pair = await createCertificate(key.nodeId, certificateDays);
  writePrivate(files.keyFile, `${toHex(key.seed.reveal())}\n`);
  writePrivate(files.certificateKeyFile, pair.privateKey);
  writePrivate(files.certificateFile, pair.certificate);
  return key;
}

function read(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (cause) {
    throw new MixError('CONFIG_INVALID', { file, why: (cause as Error).message }, { cause });
  }
}

/** @throws MixError CONFIG_INVALID if the file is missing, malformed, or readable by others */
export function loadSigningKey(file: string): SigningKey {
  const seed = fromHex(read(file).trim());
  if (seed?.length !== 32) throw new MixError('CONFIG_INVALID', { file, why: 'expected 64 hex digits' });
  checkPrivate(file);
  return SigningKey.fromSeed(new Secret(seed));
}

/** Reads a registration code. @throws MixError CONFIG_INVALID if the file is missing, empty, or readable by others */
export function loadCode(file: string): Secret {
  const code = read(file).trim();
  if (code === '') throw new MixError('CONFIG_INVALID', { file, why: 'it is empty' });
  checkPrivate(file);
  return new Secret(new Uint8Array(Buffer.from(code, 'utf8')));
}

function checkPrivate(path: string, mode = '600'): void {
  if (process.platform === 'win32' || (statSync(path).mode & 0o077) === 0) return;
  throw new MixError('CONFIG_INVALID', { file: path, why: `others may read it: chmod ${mode} ${path}` });
}

/** @throws MixError CONFIG_INVALID if a file is missing, or the key readable by others */
export function loadCertificate(files: Pick<KeyFiles, 'certificateFile' | 'certificateKeyFile'>): CertificatePair {
  const pair = { certificate: read(files.certificateFile), privateKey: read(files.certificateKeyFile) };
  checkPrivate(files.certificateKeyFile);
  return pair;
}
