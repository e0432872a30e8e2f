// Files on disk belong to their owner alone: written so under any umask, and refused otherwise, with the command that corrects
// it.
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { initCommand } from '../../src/cli/init.js';
import { schedulerCommand } from '../../src/cli/scheduler.js';
import {
  createKeyFiles,
  keyFilesIn,
  loadCertificate,
  loadCode,
  loadSigningKey,
  openDataDirectory,
} from '../../src/node/settings/keyFiles.js';

const directory = mkdtempSync(join(tmpdir(), 'millrace-permissions-'));
const at = (...names: string[]) => join(directory, ...names);
const modeOf = (path: string): string => (statSync(path).mode & 0o777).toString(8);
afterAll(() => rmSync(directory, { recursive: true, force: true }));

/** All paths below, and the path itself. */
const under = (path: string): string[] =>
  statSync(path).isDirectory() ? [path, ...readdirSync(path).flatMap((name) => under(join(path, name)))] : [path];

describe('under umask 0', () => {
  let before: number;
  beforeAll(() => {
    before = process.umask(0);
  });
  afterAll(() => {
    process.umask(before);
  });

  it.each([
    ['a node', () => initCommand().parseAsync(['--dir', at('deep', 'node')], { from: 'user' }), 'deep'],
    ['a scheduler', () => schedulerCommand().parseAsync(['--init', at('scheduler')], { from: 'user' }), 'scheduler'],
  ])('init of %s writes 600 and 700', async (_, init, name) => {
    const write = process.stdout.write.bind(process.stdout);
    process.stdout.write = () => true;
    try {
      await init();
    } finally {
      process.stdout.write = write;
    }
    const paths = under(at(name)).filter((path) => path !== at('deep'));
    expect(paths.length).toBeGreaterThan(4);
    for (const path of paths)
      expect([path, modeOf(path)]).toEqual([path, statSync(path).isDirectory() ? '700' : '600']);
  });

  it('a data directory is made 700', () => {
    openDataDirectory(at('fresh', 'data'));
    expect(modeOf(at('fresh', 'data'))).toBe('700');
  });
});

describe('files that others may read are refused, with the command that corrects it', () => {
  beforeAll(async () => {
    mkdirSync(at('keys'));
    await createKeyFiles(keyFilesIn(at('keys')), 2);
    writeFileSync(at('keys', 'registration.code'), 'code', { mode: 0o600 });
  });

  it.each<[string, string, (path: string) => unknown]>([
    ['an identity', 'identity.key', (path) => loadSigningKey(path)],
    [
      'a TLS key',
      'certificate.key',
      (path) => loadCertificate({ certificateFile: at('keys', 'certificate.pem'), certificateKeyFile: path }),
    ],
    ['a registration code', 'registration.code', (path) => loadCode(path)],
  ])('%s', (_, name, load) => {
    const file = at(name);
    cpSync(at('keys', name), file);
    chmodSync(file, 0o600);
    expect(() => load(file)).not.toThrow();
    for (const mode of [0o644, 0o640, 0o604, 0o620]) {
      chmodSync(file, mode);
      expect(() => load(file)).toThrow(
        expect.objectContaining({
          code: 'CONFIG_INVALID',
          values: expect.objectContaining({ why: expect.stringContaining(`chmod 600 ${file}`) }),
        }),
      );
    }
  });

  it('a data directory', () => {
    mkdirSync(at('open'));
    chmodSync(at('open'), 0o755);
    expect(() => openDataDirectory(at('open'))).toThrow(
      expect.objectContaining({
        code: 'CONFIG_INVALID',
        values: expect.objectContaining({ why: expect.stringContaining(`chmod 700 ${at('open')}`) }),
      }),
    );
    chmodSync(at('open'), 0o700);
    openDataDirectory(at('open'));
    expect(existsSync(at('open'))).toBe(true);
  });
});
