// The C compiler of this machine: for what is measured beside Millrace, or around it.
import { spawnSync } from 'node:child_process';

/** The first that answers: what CC names, or a usual one; undefined where there is none. */
export function findCompiler(): string | undefined {
  const names = [process.env.CC, 'cc', 'gcc', 'clang'].filter((name): name is string => !!name);
  return names.find((name) => spawnSync(name, ['--version'], { stdio: 'ignore' }).status === 0);
}
