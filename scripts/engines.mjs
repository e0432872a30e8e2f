// `npm run engines`: the whole compliance suite on the engines on array libraries, which `npm test` runs in a short form: in
// every group, and 1,000 random powers of 256 bits. Takes about an hour; a part: `npm run engines -- -t "gpujs.*MODP-2048"`.
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const { status } = spawnSync(
  process.execPath,
  [
    join(root, 'node_modules/vitest/vitest.mjs'),
    'run',
    'test/engine/gpujs.test.ts',
    'test/engine/tfjs.test.ts',
    '--testTimeout=3600000',
    ...process.argv.slice(2),
  ],
  { cwd: root, stdio: 'inherit', env: { ...process.env, MILLRACE_ENGINES: 'full' } },
);
process.exit(status ?? 1);
