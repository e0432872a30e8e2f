// Each mutant (test/mutants/*.patch) takes one defence out. `npm run mutants` runs the test that must then fail; this file checks
// that every patch still applies, and that its test is still there.
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { Titles } from './support/titles.js';

interface Mutant {
  readonly id: string;
  readonly path: string;
  readonly promise: string;
  readonly test: string;
  readonly name: string;
}

const root = fileURLToPath(new URL('..', import.meta.url));
const module = join(root, 'scripts/lib/mutants.mjs');
const { readMutants, mutantsStatus } = (await import(module)) as {
  readMutants(root: string): Mutant[];
  mutantsStatus(verdicts: Readonly<Record<'survived' | 'stale' | 'skipped', string[]>>, env: object): number;
};
const mutants = readMutants(root);

describe('mutants', () => {
  it.each(mutants.map((mutant) => [mutant.id, mutant] as const))('%s applies', (_, { path }) => {
    const { status, stderr } = spawnSync('git', ['apply', '--check', path], { cwd: root, encoding: 'utf8' });
    expect([status, stderr]).toEqual([0, '']);
  });

  it('name a test file that exists', () => {
    for (const { id, test } of mutants) expect([id, existsSync(join(root, test))]).toEqual([id, true]);
  });

  it('name a test of that file by a part of its title', () => {
    const read = new Map<string, Titles>();
    const titlesOf = (test: string) => read.get(test) ?? read.set(test, Titles.read(join(root, test))).get(test)!;
    expect(
      mutants.filter(({ test, name }) => !titlesOf(test).has(name)).map(({ id, name }) => `${id}: ${name}`),
    ).toEqual([]);
  });

  it('name no test by a title that has changed, also where a table fills it in', () => {
    const titles = Titles.parse(`
      describe('a node', () => {
        it('keeps its keys', () => {});
        it.each([['secret', 1]])('wipes a %s of %i bytes when it ends', () => {});
        it.each([{ kind: 'late' }])('refuses a $kind message', () => {});
        describeWith(missing, \`with \${card}\`, () => { for (const at of AT) it(\`computes in \${at} as well\`, () => {}); });
      });
      function shared() { it('is the same for every engine', () => {}); }
    `);
    for (const name of [
      'a node keeps its keys',
      'keeps its',
      'a node wipes a secret of 1 bytes',
      'refuses a late message',
      'a node with card computes in',
      'computes in AT as well',
      'node is the same for every engine',
    ]) {
      expect([name, titles.has(name)]).toEqual([name, true]);
    }
    for (const name of [
      'a node keeps their keys',
      'a scheduler keeps its keys',
      'a node wipes a treasure of 1 bytes',
      'wipes a secret of 1 octets when it ends',
      'a node refuses late messages',
      'keeps its keys forever',
      'secret late card',
    ]) {
      expect([name, titles.has(name)]).toEqual([name, false]);
    }
  });

  it('fail the run if one survives, is stale or, where everything is required, is skipped', () => {
    const none = { survived: [], stale: [], skipped: [] };
    const all = { MILLRACE_REQUIRE: 'all' };
    expect([mutantsStatus(none, {}), mutantsStatus(none, all)]).toEqual([0, 0]);
    expect(mutantsStatus({ ...none, survived: ['a'] }, {})).toBe(1);
    expect(mutantsStatus({ ...none, stale: ['a'] }, {})).toBe(1);
    const skipped = { ...none, skipped: ['a'] };
    expect([mutantsStatus(skipped, {}), mutantsStatus(skipped, all)]).toEqual([0, 1]);
  });

  it('change no test: each takes a defence out of the product', () => {
    for (const { id, path } of mutants) {
      const touched = [...readFileSync(path, 'utf8').matchAll(/^\+\+\+ b\/(\S+)/gm)].map(([, file]) => file!);
      expect([id, touched.filter((file) => file.startsWith('test/'))]).toEqual([id, []]);
      expect(touched.length).toBeGreaterThan(0);
    }
  });
});
