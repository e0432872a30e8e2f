// Each mutant (test/mutants/*.patch) takes one defence out. `npm run mutants` runs the test that must then fail; this file checks
// that every patch still applies.
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

interface Mutant {
  readonly id: string;
  readonly path: string;
  readonly promise: string;
  readonly test: string;
}

const root = fileURLToPath(new URL('..', import.meta.url));
const module = join(root, 'scripts/lib/mutants.mjs');
const { readMutants } = (await import(module)) as { readMutants(root: string): Mutant[] };
const mutants = readMutants(root);

describe('mutants', () => {
  it.each(mutants.map((mutant) => [mutant.id, mutant] as const))('%s applies', (_, { path }) => {
    const { status, stderr } = spawnSync('git', ['apply', '--check', path], { cwd: root, encoding: 'utf8' });
    expect([status, stderr]).toEqual([0, '']);
  });

  it('name a test file that exists', () => {
    for (const { id, test } of mutants) expect([id, existsSync(join(root, test))]).toEqual([id, true]);
  });

  it('change no test: each takes a defence out of the product', () => {
    for (const { id, path } of mutants) {
      const touched = [...readFileSync(path, 'utf8').matchAll(/^\+\+\+ b\/(\S+)/gm)].map(([, file]) => file!);
      expect([id, touched.filter((file) => file.startsWith('test/'))]).toEqual([id, []]);
      expect(touched.length).toBeGreaterThan(0);
    }
  });
});
