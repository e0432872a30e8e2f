// What runs in a worker thread: one chunk at a time, by the kernel that the job names. Kernels are made once per worker
// and group, and freed by a dispose job when the engine closes.
import { namedGroup } from '../math/group.js';
import { BigintKernel } from './bigintKernel.js';
import { DhKernel } from './dhKernel.js';
import type { Job, JobResult, Kernel, KernelFactory, KernelName } from './job.js';
import { NativeKernel } from './nativeKernel.js';
import { OpensslKernel } from './opensslKernel.js';

/** How long a worker waits for the others at the end; only a worker that died meanwhile makes it wait at all. */
const DISPOSE_WAIT_MS = 500;

export const KERNELS: Readonly<Record<KernelName, KernelFactory>> = {
  ifma: (group) => new NativeKernel(group, 'ifma'),
  portable: (group) => new NativeKernel(group, 'portable'),
  words: (group) => new OpensslKernel(group, true),
  bignum: (group) => new OpensslKernel(group, false),
  dh: (group) => new DhKernel(group),
  bigint: (group) => new BigintKernel(group),
};

const kernels = new Map<string, Kernel>();

function kernelOf(job: Extract<Job, { kind: 'work' }>): Kernel {
  const key = `${job.kernel} ${job.group}`;
  let kernel = kernels.get(key);
  if (!kernel) {
    kernel = KERNELS[job.kernel](namedGroup(job.group));
    kernels.set(key, kernel);
  }
  return kernel;
}

function dispose({ arrived, count }: Extract<Job, { kind: 'dispose' }>): void {
  for (const kernel of kernels.values()) kernel.dispose();
  kernels.clear();
  const now = Atomics.add(arrived, 0, 1) + 1;
  if (now >= count) Atomics.notify(arrived, 0);
  // Wakes up when the value is no longer `now`, too: then it looks again.
  for (let seen = now; seen < count; seen = Atomics.load(arrived, 0)) {
    if (Atomics.wait(arrived, 0, seen, DISPOSE_WAIT_MS) === 'timed-out') return;
  }
}

export default function handle(job: Job): JobResult {
  try {
    if (job.kind === 'dispose') dispose(job);
    else kernelOf(job).run(job.work);
    return { ok: true };
  } catch (thrown) {
    return { ok: false, message: thrown instanceof Error ? thrown.message : String(thrown) };
  }
}
