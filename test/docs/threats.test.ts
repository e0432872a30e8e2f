// docs/threats.md names tests and mutants: all of them exist, and every risk called shown has both.
import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

const root = fileURLToPath(new URL('../..', import.meta.url));
const page = readFileSync(`${root}/docs/threats.md`, 'utf8');
/** Risks that may be open: proofs of shuffle and a card will close these. */
const MAY_BE_OPEN = ['copying, tagging', 'n−1 flooding', 'GPU timing', 'GPU faults'];

const quoted = (cell: string): string[] => [...cell.matchAll(/`([^`]+)`/g)].map(([, name]) => name!);

const rows = page
  .split('\n')
  .filter((line) => line.startsWith('| ') && !line.startsWith('| risk'))
  .map((line) => {
    const [, risk, , tests, mutants, stands] = line.split(/(?<!\\)\|/).map((cell) => cell.trim());
    return { risk: risk!, tests: quoted(tests!), mutants: quoted(mutants!), stands: stands! };
  });

describe('the table of threats', () => {
  it('names tests that exist', () => {
    expect(rows.length).toBeGreaterThan(20);
    const named = rows.flatMap(({ tests }) => tests);
    expect(named.filter((file) => !/^test\/.+\.test\.ts$/.test(file) || !existsSync(`${root}/${file}`))).toEqual([]);
  });

  it('names mutants that exist, with their tests in the same row', () => {
    for (const { risk, tests, mutants } of rows) {
      for (const mutant of mutants) {
        const file = `${root}/test/mutants/${mutant}.patch`;
        expect([risk, mutant, existsSync(file)]).toEqual([risk, mutant, true]);
        const test = /^test: (.+)$/m.exec(readFileSync(file, 'utf8'))?.[1];
        expect([risk, mutant, tests]).toEqual([risk, mutant, expect.arrayContaining([test])]);
      }
    }
  });

  it('calls a risk shown only with a test and a mutant, and leaves no other open', () => {
    for (const { risk, tests, mutants, stands } of rows) {
      expect([risk, stands]).toEqual([risk, expect.stringMatching(/^(shown\b|not yet: .{20})/)]);
      if (stands.startsWith('shown')) expect([risk, tests.length > 0 && mutants.length > 0]).toEqual([risk, true]);
      else expect(MAY_BE_OPEN).toContain(risk);
    }
  });
});
