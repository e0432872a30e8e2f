// Finds the C compiler of this machine; shared by the GMP peer and the link's forwarder.
import { spawnSync } from 'node:child_process';

/** Returns the first compiler that answers: the one in CC, or a usual one; undefined if there is none. */
export function findCompiler(): string | undefined {
  const names = [process.env.CC, 'cc', 'gcc', 'clang'].filter((name): name is string => !!name);
  return names.find((name) => spawnSync(name, ['--version'], { stdio: 'ignore' }).status === 0);
}
