// Mutants: patches that each take one defence out of the product, with the test that must fail without it. Used by
// scripts/mutants.mjs, which runs them, and by test/mutants.test.ts, which checks that each still applies.
import { readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';

const HEADERS = ['promise', 'test', 'name', 'build'];
const BUILDS = ['dist', 'native'];

/**
 * Parses a patch file: header lines `key: value` (promise, test, name, and build if the test runs built files: `dist`, `native`),
 * then the diff. Throws the reason if it is not well-formed.
 */
export function parseMutant(path) {
  const id = basename(path, '.patch');
  const text = readFileSync(path, 'utf8');
  const at = text.indexOf('diff --git ');
  if (at < 0) throw new Error(`${id}: no diff`);
  const headers = {};
  for (const line of text.slice(0, at).split('\n')) {
    if (line.trim() === '') continue;
    const [, key, value] = /^([a-z]+): (.+)$/.exec(line) ?? [];
    if (!HEADERS.includes(key)) throw new Error(`${id}: not a header: ${line}`);
    headers[key] = value.trim();
  }
  for (const key of ['promise', 'test', 'name']) if (!headers[key]) throw new Error(`${id}: no ${key}`);
  if (headers.build !== undefined && !BUILDS.includes(headers.build)) throw new Error(`${id}: build is ${BUILDS}`);
  return { id, path, ...headers };
}

/** All mutants of a checkout, by name. */
export function readMutants(root) {
  const directory = join(root, 'test/mutants');
  const names = readdirSync(directory).filter((name) => name.endsWith('.patch'));
  return names.sort().map((name) => parseMutant(join(directory, name)));
}

/** Status of a run: 1 if a mutant survived or is stale, or, where everything is required, was skipped. */
export function mutantsStatus({ survived, stale, skipped }, env) {
  const isLacking = env.MILLRACE_REQUIRE === 'all' && skipped.length > 0;
  return survived.length + stale.length > 0 || isLacking ? 1 : 0;
}
