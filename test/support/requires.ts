// Tests with tools that may be missing. They are skipped by name, with the reason in the title; under MILLRACE_REQUIRE=all a
// missing tool is a failure, so that a machine meant to have everything shows what it lacks.
import { spawnSync } from 'node:child_process';
import { describe, it } from 'vitest';

/** True if a skip is a failure. */
export const requireAll = process.env.MILLRACE_REQUIRE === 'all';

/** Returns the reason why a command cannot be run here, undefined if it can. */
export function missingCommand(command: string, args: readonly string[] = ['--version']): string | undefined {
  const { error, status } = spawnSync(command, args, { stdio: 'ignore', timeout: 30_000 });
  if (error) return `no ${command}`;
  return status === 0 ? undefined : `${command} ends with status ${status}`;
}

/**
 * `describe`, or its skipping variant: `missing` is the reason why a requirement of the tests is missing, undefined if it is not.
 * A card cannot be installed on demand: `optional` is skipped under MILLRACE_REQUIRE=all as well.
 */
export function describeWith(missing: string | undefined, title: string, tests: () => void, optional = false): void {
  if (missing === undefined) describe(title, tests);
  else if (requireAll && !optional) describe(title, () => it(`is not skipped: ${missing}`, () => failMissing(missing)));
  else describe.skip(`${title} (skipped: ${missing})`, tests);
}

function failMissing(missing: string): never {
  throw new Error(`${missing}, and MILLRACE_REQUIRE=all allows no skip`);
}
