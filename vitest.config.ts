import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    pool: 'forks',
    maxWorkers: 2,
    testTimeout: 60_000,
    hookTimeout: 60_000,
    // How long a test waits for what must come: long, because a busy machine is no failure.
    expect: { poll: { interval: 20, timeout: 30_000 } },
  },
});
