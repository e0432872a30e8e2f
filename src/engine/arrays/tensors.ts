// The part of the TensorFlow.js core API that the tfjs engine uses, as a port, and the choice of package and backend:
// @tensorflow/tfjs-node-gpu or tfjs-node if installed, else the core with its wasm backend, else its cpu backend.
import { asMixError, MixError } from '../../base/index.js';
import { findPackage, loadPackage } from '../optionalPackages.js';

export interface Tensor {
  readonly shape: readonly number[];
  data(): Promise<Float32Array>;
  dispose(): void;
}

export interface Tensors {
  tensor2d(values: Float32Array, shape: readonly [number, number], dtype: 'float32'): Tensor;
  tensor1d(values: Int32Array, dtype: 'int32'): Tensor;
  scalar(value: number): Tensor;
  add(a: Tensor, b: Tensor): Tensor;
  sub(a: Tensor, b: Tensor): Tensor;
  mul(a: Tensor, b: Tensor): Tensor;
  div(a: Tensor, b: Tensor): Tensor;
  floor(a: Tensor): Tensor;
  sum(a: Tensor, axis: number, keepDims: boolean): Tensor;
  matMul(a: Tensor, b: Tensor): Tensor;
  concat(parts: readonly Tensor[], axis: number): Tensor;
  gather(a: Tensor, rows: Tensor): Tensor;
  tidy<T>(work: () => T): T;
  setBackend(name: string): Promise<boolean>;
  getBackend(): string;
  ready(): Promise<void>;
  enableProdMode(): void;
}

const TFJS_BACKENDS = ['node-gpu', 'node', 'wasm', 'cpu'] as const;
export type TfjsBackend = (typeof TFJS_BACKENDS)[number];

const CORE = '@tensorflow/tfjs-core';
/** Packages of each backend, and its name inside TensorFlow.js. */
const BACKENDS: Record<TfjsBackend, { readonly packages: readonly string[]; readonly name: string }> = {
  'node-gpu': { packages: ['@tensorflow/tfjs-node-gpu'], name: 'tensorflow' },
  node: { packages: ['@tensorflow/tfjs-node'], name: 'tensorflow' },
  wasm: { packages: [CORE, '@tensorflow/tfjs-backend-wasm'], name: 'wasm' },
  cpu: { packages: [CORE, '@tensorflow/tfjs-backend-cpu'], name: 'cpu' },
};

/** Packages to install for the engine to run at all. */
export const TFJS_PACKAGES = BACKENDS.wasm.packages;

/** Backends whose packages are installed, the preferred one first. */
export const installedBackends = (): TfjsBackend[] =>
  TFJS_BACKENDS.filter((backend) => BACKENDS[backend].packages.every((name) => findPackage(name) !== undefined));

/** A backend that is ready. `activate` makes it the current one again: a process has one current backend. */
export interface LoadedTensors {
  readonly tf: Tensors;
  readonly backend: TfjsBackend;
  activate(): void;
}

/** @throws MixError ENGINE_UNAVAILABLE if a package is missing, with the install command, or the backend does not start */
export async function loadTensors(backend: TfjsBackend): Promise<LoadedTensors> {
  const { packages, name } = BACKENDS[backend];
  // Cards with TF32 would round values that are not cut into digits. Nothing here needs more precision; this is a cheap
  // precaution.
  process.env.NVIDIA_TF32_OVERRIDE ??= '0';
  const [first, ...rest] = packages;
  const tf = (await loadPackage('tfjs', first!)) as Tensors;
  // Silences the console.
  tf.enableProdMode();
  try {
    // Backends register themselves with the core.
    for (const other of rest) await loadPackage('tfjs', other);
    if (!(await tf.setBackend(name)))
      throw new MixError('ENGINE_UNAVAILABLE', { engine: 'tfjs', reason: `no ${name}` });
    await tf.ready();
  } catch (thrown) {
    const reason = `the ${backend} backend does not start: ${asMixError(thrown).message}`;
    throw new MixError('ENGINE_UNAVAILABLE', { engine: 'tfjs', reason }, { cause: thrown });
  }
  const activate = () => {
    // Already ready, so it takes effect at once.
    if (tf.getBackend() !== name) void tf.setBackend(name);
  };
  return { tf, backend, activate };
}
