// Entry of a worker thread: runs chunks, one at a time, by the kernel that the job names. Kernels are made once per worker and
// group, and freed by a dispose job when the engine closes.
import { setPriority } from 'node:os';
import { isMainThread, workerData } from 'node:worker_threads';
import { type Group, namedGroup } from '../../math/index.js';
import { BigintKernel } from '../kernels/bigint.js';
import { DhKernel } from '../kernels/diffieHellman.js';
import { NativeKernel } from '../kernels/native/kernel.js';
import { bindLibrary, type NativePath, native } from '../kernels/native/library.js';
import { OpensslKernel } from '../kernels/openssl/kernel.js';
import type { DeviceAddress, Job, JobResult, Kernel, KernelFactory, KernelName } from './job.js';
import type { WorkerSetting } from './workers.js';

/**
 * Niceness of a yielding thread. Of two threads on one core, the one nicer by 10 gets a tenth of it, and none at first when the
 * other wakes up. So realtime work does not wait for a chunk of precomputation to end, nor do streams, tables and openings, which
 * pass through main threads, of this node and of others on the same cores (docs/scheduling.md). On Linux a thread has a niceness
 * of its own; elsewhere this would slow the whole process.
 */
const NICENESS = 10;

function yieldToRealtime(): void {
  if (isMainThread || process.platform !== 'linux') return;
  try {
    setPriority(0, NICENESS);
  } catch {
    // Not permitted here: the threads compete.
  }
}

if ((workerData as Partial<WorkerSetting> | undefined)?.yieldsToRealtime) yieldToRealtime();

/** Longest wait of a worker for the others at the end; only a worker that died meanwhile causes a wait at all. */
const DISPOSE_WAIT_MS = 500;

const KERNELS: Readonly<Record<KernelName, KernelFactory>> = {
  ifma: (group) => onPath(group, 'ifma'),
  portable: (group) => onPath(group, 'portable'),
  words: (group) => new OpensslKernel(group, true),
  bignum: (group) => new OpensslKernel(group, false),
  dh: (group) => new DhKernel(group),
  bigint: (group) => new BigintKernel(group),
};

function onPath(group: Group, path: NativePath): Kernel {
  const binding = native();
  return new NativeKernel(group, binding, binding.devices.indexOf(path));
}

function onDevice(group: Group, { library, index }: DeviceAddress): Kernel {
  return new NativeKernel(group, bindLibrary(library, `${library} is gone`), index);
}

const kernels = new Map<string, Kernel>();

function findKernel({ kernel: wanted, group }: Extract<Job, { kind: 'work' }>): Kernel {
  const key = `${group} ${typeof wanted === 'string' ? wanted : `${wanted.index} ${wanted.library}`}`;
  let kernel = kernels.get(key);
  if (!kernel) {
    kernel = typeof wanted === 'string' ? KERNELS[wanted](namedGroup(group)) : onDevice(namedGroup(group), wanted);
    kernels.set(key, kernel);
  }
  return kernel;
}

function dispose({ arrived, count }: Extract<Job, { kind: 'dispose' }>): void {
  for (const kernel of kernels.values()) kernel.dispose();
  kernels.clear();
  const now = Atomics.add(arrived, 0, 1) + 1;
  if (now >= count) Atomics.notify(arrived, 0);
  // Atomics.wait also returns if the value changed first; loop.
  for (let seen = now; seen < count; seen = Atomics.load(arrived, 0)) {
    if (Atomics.wait(arrived, 0, seen, DISPOSE_WAIT_MS) === 'timed-out') return;
  }
}

/** Returns the message of the error that `action` throws, if it does. */
function thrownBy(action: () => void): string | undefined {
  try {
    action();
    return undefined;
  } catch (thrown) {
    return thrown instanceof Error ? thrown.message : String(thrown);
  }
}

let last: Promise<unknown> = Promise.resolve();

/**
 * Takes a job after the one before it. piscina gives a worker all its waiting jobs at once and posts each answer in a microtask
 * of its own: without this chain, all jobs would compute before any answer left, and the worker would stand idle until the main
 * thread had handled the answers. In a chain, each answer leaves before the next job begins.
 */
export default function handle(job: Job): Promise<JobResult> {
  const result = last.then(() => answer(job));
  last = result;
  return result;
}

function answer(job: Job): JobResult {
  if (job.kind === 'dispose') return [thrownBy(() => dispose(job))];
  return job.works.map((work) => thrownBy(() => findKernel(job).run(work)));
}
