// Detection of a machine's card without our library, and the choice of a target that it runs.
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';

/** The first driver branch for CUDA 13, with which the library is built. */
export const DRIVER_MIN = 580;

function answer(command, args) {
  const { status, stdout, stderr, error } = spawnSync(command, args, { encoding: 'utf8', timeout: 30_000 });
  return {
    ok: status === 0,
    said: `${stdout ?? ''}${stderr ?? ''}`.trim().split('\n')[0] ?? '',
    missing: error?.code === 'ENOENT',
  };
}

/** `9.0` or `90` as `sm_90`; undefined for other texts. */
export function targetOfCapability(text) {
  const [, major, minor] = /^(\d+)\.?(\d)$/.exec(text.trim()) ?? [];
  return major === undefined ? undefined : `sm_${major}${minor}`;
}

/**
 * The compute capability of the first card as a target, or the reason why there is none. Asks nvcc's own query if the driver's is
 * missing.
 */
export function findCard(nvcc) {
  const smi = answer('nvidia-smi', ['--query-gpu=compute_cap', '--format=csv,noheader']);
  const target = smi.ok ? targetOfCapability(smi.said) : undefined;
  if (target) return { target };
  const query = nvcc && answer(nvcc.includes('/') ? join(nvcc, '../__nvcc_device_query') : '__nvcc_device_query', []);
  const native = query?.ok ? targetOfCapability(query.said.split(',')[0]) : undefined;
  if (native) return { target: native };
  const why = smi.missing ? 'nvidia-smi is not there' : `nvidia-smi says: ${smi.said || 'nothing'}`;
  return { why };
}

/** The target among ours with machine code that a card runs: of its own generation, the newest that is not newer; else by PTX. */
export function runnableTarget(target, targets) {
  const number = (name) => Number(name.slice(3));
  const generation = (name) => Math.floor(number(name) / 10);
  const fitting = targets.filter((one) => generation(one) === generation(target) && number(one) <= number(target));
  if (fitting.length > 0) return fitting.at(-1);
  return number(target) > number(targets.at(-1)) ? targets.at(-1) : undefined;
}
