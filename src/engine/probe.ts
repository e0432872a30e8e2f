// The engines that can run on this machine, and their code. A probe does not check results: that is the self-check's task
// (checked/selfCheck.ts).
import type { Group } from '../math/index.js';
import { GPUJS_PACKAGES } from './arrays/gpujs.js';
import { installedBackends, TFJS_PACKAGES } from './arrays/tensors.js';
import { probeCards } from './cuda/library.js';
import { ENGINE_NAMES, type EngineName } from './engine.js';
import { dhUnavailable } from './kernels/diffieHellman.js';
import { native } from './kernels/native/library.js';
import { openssl } from './kernels/openssl/library.js';
import { missingPackages } from './optionalPackages.js';
import type { KernelName } from './pool/job.js';
import { workersUnavailable } from './pool/workers.js';

export interface EngineProbe {
  readonly name: EngineName;
  readonly available: boolean;
  /** Reason why it is not available, or not by its best path; else empty. */
  readonly reason: string;
  /** The arithmetic code; null if it is not available. */
  readonly path: string | null;
  /** Kernel of the workers; undefined if it computes inline, or on cards. */
  readonly kernel?: KernelName;
  /** True if the engine could not be expected here: its absence is no fallback. */
  readonly unexpected?: boolean;
}

const PATHS: Record<KernelName, string> = {
  ifma: 'ifma',
  portable: 'portable',
  words: 'BN_mod_exp_mont_consttime, bn_mul_mont',
  bignum: 'BN_mod_exp_mont_consttime, BN_mod_mul_montgomery',
  dh: 'node:crypto Diffie-Hellman, bigint products',
  bigint: 'bigint',
};

/** Name of a kernel in logs. */
export const describePath = (kernel: KernelName): string => PATHS[kernel];

const explain = (thrown: unknown): string => (thrown instanceof Error ? thrown.message : String(thrown)).trim();

/**
 * The native library on its vector path. Without AVX-512 IFMA its portable words are slower than OpenSSL's assembly, so OpenSSL's
 * own code is the portable path of this engine.
 */
function probeCpu(group: Group): EngineProbe {
  const name = 'cpu';
  const missing = workersUnavailable();
  if (missing) return { name, available: false, reason: missing, path: null };
  let paths: readonly string[];
  try {
    ({ devices: paths } = native());
  } catch (thrown) {
    return { name, available: false, reason: explain(thrown), path: null };
  }
  if (paths.includes('ifma')) return { name, available: true, reason: '', path: describePath('ifma'), kernel: 'ifma' };
  return { ...probeOpenssl(group), name, reason: "this CPU has no AVX-512 IFMA: OpenSSL's code computes" };
}

function probeOpenssl(group: Group): EngineProbe {
  const name = 'openssl';
  const missing = workersUnavailable();
  if (missing) return { name, available: false, reason: missing, path: null };
  const found = (kernel: KernelName, reason: string): EngineProbe => {
    return { name, available: true, reason, path: describePath(kernel), kernel };
  };
  try {
    const { words } = openssl();
    return words ? found('words', '') : found('bignum', 'bn_mul_mont is not exported');
  } catch (thrown) {
    const reason = `OpenSSL's functions cannot be called: ${explain(thrown)}`;
    const refused = dhUnavailable(group);
    if (!refused) return found('dh', reason);
    return { name, available: false, reason: `${reason}; ${refused}`, path: null };
  }
}

function probeBigint(): EngineProbe {
  const missing = workersUnavailable();
  if (missing) return { name: 'bigint', available: false, reason: missing, path: null };
  return { name: 'bigint', available: true, reason: '', path: describePath('bigint'), kernel: 'bigint' };
}

/** Cards, with the best of the other engines beside them. */
function probeCuda(group: Group): EngineProbe {
  const name = 'cuda';
  const missing = workersUnavailable();
  if (missing) return { name, available: false, reason: missing, path: null };
  const cards = probeCards(group);
  if (cards.devices.length > 0) return { name, available: true, reason: '', path: cards.devices.join(', ') };
  return { name, available: false, reason: cards.reason, path: null, unexpected: !('built' in cards && cards.built) };
}

/** Engines on optional packages; their computing mode is chosen when they open. */
function probePackages(name: EngineName, packages: readonly string[]): EngineProbe {
  const reason = missingPackages(packages);
  return { name, available: reason === '', reason, path: reason === '' ? packages.join(', ') : null };
}

/** Any backend is enough. */
function probeTensors(): EngineProbe {
  const [best] = installedBackends();
  if (best === undefined) return probePackages('tfjs', TFJS_PACKAGES);
  return { name: 'tfjs', available: true, reason: '', path: `TensorFlow.js, ${best} backend` };
}

function probe(name: EngineName, group: Group): EngineProbe {
  if (name === 'cuda') return probeCuda(group);
  if (name === 'cpu') return probeCpu(group);
  if (name === 'openssl') return probeOpenssl(group);
  if (name === 'bigint') return probeBigint();
  if (name === 'gpujs') return probePackages(name, GPUJS_PACKAGES);
  if (name === 'tfjs') return probeTensors();
  return { name, available: true, reason: '', path: describePath('bigint') };
}

/** All engines, the preferred one first. */
export function probeEngines(group: Group): EngineProbe[] {
  return ENGINE_NAMES.map((name) => probe(name, group));
}
