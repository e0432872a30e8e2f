// Tests whose tool may be missing. They are skipped by name, with the reason in the title; under MILLRACE_REQUIRE=all nothing may be
// skipped: what is missing is then a failure, so that a machine that is meant to have everything shows what it lacks.
import { spawnSync } from 'node:child_process';
import { describe, it } from 'vitest';

/** True where a skip is a failure. */
export const requireAll = process.env.MILLRACE_REQUIRE === 'all';

/** Why a command cannot be run here, undefined where it can. */
export function missingCommand(command: string, args: readonly string[] = ['--version']): string | undefined {
  const { error, status } = spawnSync(command, args, { stdio: 'ignore', timeout: 30_000 });
  if (error) return `no ${command}`;
  return status === 0 ? undefined : `${command} ends with status ${status}`;
}

/**
 * `describe`, or its like that skips: `missing` says why something that the tests need is not there, undefined where it is. A
 * machine cannot be made to have a card: `optional` is skipped under MILLRACE_REQUIRE=all, too.
 */
export function describeWith(missing: string | undefined, title: string, tests: () => void, optional = false): void {
  if (missing === undefined) describe(title, tests);
  else if (requireAll && !optional) describe(title, () => it(`is not skipped: ${missing}`, () => failMissing(missing)));
  else describe.skip(`${title} (skipped: ${missing})`, tests);
}

function failMissing(missing: string): never {
  throw new Error(`${missing}, and MILLRACE_REQUIRE=all allows no skip`);
}
