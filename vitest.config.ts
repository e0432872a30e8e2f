// Test runner configuration: each file in a process of its own, two at a time, the longest first, so that none of them runs at
// the end while the other core is idle.
import { defineConfig } from 'vitest/config';
import { BaseSequencer, type TestSpecification } from 'vitest/node';

/** Files that compile and files that wait alternate. */
const LONGEST = [
  'kernels/host',
  'e2e/cli',
  'kernels/libraryCheck',
  'e2e/kill',
  'native/sanitizers',
  'engine/tfjs',
  'sim/networkSim',
  'engine/cuda',
  'kernels/variants',
  'engine/kernels',
  'kernels/library',
  'native/kernels',
  'e2e/scheduler',
  'kernels/nvcc',
];

class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const place = ({ moduleId }: TestSpecification) => {
      const index = LONGEST.findIndex((name) => moduleId.endsWith(`/test/${name}.test.ts`));
      return index < 0 ? LONGEST.length : index;
    };
    return (await super.sort(files)).sort((a, b) => place(a) - place(b));
  }
}

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    pool: 'forks',
    maxWorkers: 2,
    sequence: { sequencer: LongestFirst },
    testTimeout: 60_000,
    hookTimeout: 60_000,
    // Time limit of polls: long, because a busy machine is no failure.
    expect: { poll: { interval: 20, timeout: 30_000 } },
  },
});
