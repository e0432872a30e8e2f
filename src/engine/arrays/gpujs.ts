// The gpujs engine's field: Montgomery products on gpu.js with limbs of 8 bits (gpujsKernels.ts), in its cpu mode everywhere and
// in WebGL or WebGPU if available. R = 256^(limbs), with one limb more than an element has bytes, so that R > 256·p and results
// need no subtraction. Uses a card without CUDA and gives a second opinion; never constant-time, never fast.
import { asMixError, MixError } from '../../base/index.js';
import { type Logger, silentLog } from '../../base/log.js';
import { absolute, bigintToBytes, bytesToBigint, type Group } from '../../math/index.js';
import { loadPackage } from '../optionalPackages.js';
import { checkField } from './executor.js';
import type { BatchField } from './field.js';
import { asRows, type Gpu, GpujsKernels, LIMB_BITS } from './gpujsKernels.js';

/** Packages that the engine needs. */
export const GPUJS_PACKAGES = ['gpu.js'] as const;

/** Modes of gpu.js: on a card by WebGL, on a card by WebGPU, in JavaScript. */
const GPUJS_MODES = ['headlessgl', 'webgpu', 'cpu'] as const;
type GpujsMode = (typeof GPUJS_MODES)[number];

/** Rows at once: many on a card; few in JavaScript, so that the thread soon yields. */
const ROWS = { card: { products: 4096, powers: 1024 }, cpu: { products: 64, powers: 8 } } as const;

interface GpuLibrary {
  readonly GPU: {
    new (settings: { readonly mode: GpujsMode }): Gpu;
    readonly isHeadlessGLSupported: boolean;
    isWebGPUAvailable(): Promise<boolean>;
  };
}

/** Numbers modulo p in rows of limbs, the lowest first. */
type Limbs = readonly Float32Array[];

class GpujsField implements BatchField<Limbs> {
  readonly group: Group;
  readonly path: string;
  readonly rSquared: bigint;
  readonly rows;
  readonly kernels: GpujsKernels;
  readonly #gpu: Gpu;
  readonly #modulus: Limbs;
  readonly #inverse: Limbs;

  constructor(group: Group, gpu: Gpu, mode: GpujsMode) {
    const limbs = (group.elementBytes * 8) / LIMB_BITS + 1;
    const r = 1n << BigInt(LIMB_BITS * limbs);
    this.group = group;
    this.path = `gpu.js, ${mode} mode`;
    this.rSquared = (r * r) % group.p;
    this.rows = mode === 'cpu' ? ROWS.cpu : ROWS.card;
    this.kernels = new GpujsKernels(gpu, limbs, mode !== 'cpu');
    this.#gpu = gpu;
    const row = (value: bigint) => [Float32Array.from(bigintToBytes(value, limbs))];
    this.#modulus = row(group.p);
    this.#inverse = row(r - inverseByNewton(group.p, LIMB_BITS * limbs));
  }

  async read(elements: Uint8Array): Promise<Limbs> {
    const { elementBytes } = this.group;
    return Array.from({ length: elements.length / elementBytes }, (_, index) => {
      const row = new Float32Array(this.kernels.limbs);
      row.set(elements.subarray(index * elementBytes, (index + 1) * elementBytes));
      return row;
    });
  }

  async write(values: Limbs, out: Uint8Array): Promise<void> {
    const { group } = this;
    for (const [index, row] of values.entries()) {
      const element = absolute(group, bytesToBigint(toBytes(row)));
      out.set(bigintToBytes(element, group.elementBytes), index * group.elementBytes);
    }
  }

  async multiply(a: Limbs, b: Limbs): Promise<Limbs> {
    return asRows(await this.kernels.montgomery(a, b, a.length, this.#modulus, this.#inverse));
  }

  async concat(parts: readonly Limbs[]): Promise<Limbs> {
    return parts.flat();
  }

  async gather(values: Limbs, rows: Uint32Array): Promise<Limbs> {
    return Array.from(rows, (row) => values[row]!);
  }

  /** Gathered rows share memory with their source; the garbage collector frees them. */
  free(): void {}

  close(): void {
    this.#gpu.destroy();
  }
}

/** Converts limbs of up to 257 to bytes, with full carries. */
function toBytes(row: Float32Array): Uint8Array {
  const out = new Uint8Array(row.length);
  let carry = 0;
  for (const [index, limb] of row.entries()) {
    carry += limb;
    out[index] = carry & 255;
    carry >>= LIMB_BITS;
  }
  return out;
}

/** p⁻¹ mod 2^bits by Newton's iteration: each step doubles the number of correct low bits, from 3. */
function inverseByNewton(p: bigint, bits: number): bigint {
  let inverse = p;
  for (let known = 3; known < bits; known *= 2) inverse = BigInt.asUintN(bits, inverse * (2n - p * inverse));
  return BigInt.asUintN(bits, inverse);
}

/** Opens the best mode that computes exactly here, tested with extremes; logs why better modes failed. */
export async function openGpujs(group: Group, log: Logger = silentLog): Promise<GpujsField> {
  const { GPU } = (await loadPackage('gpujs', 'gpu.js')) as GpuLibrary;
  for (const mode of GPUJS_MODES) {
    if (mode === 'headlessgl' && !GPU.isHeadlessGLSupported) continue;
    if (mode === 'webgpu' && !(await GPU.isWebGPUAvailable())) continue;
    const field = await openMode(group, GPU, mode).catch((thrown: unknown) => {
      if (mode === 'cpu') throw thrown;
      log.warn({ engine: 'gpujs', mode, reason: asMixError(thrown).message }, 'gpu.js does not compute in this mode');
    });
    if (field) return field;
  }
  throw new MixError('ENGINE_UNAVAILABLE', { engine: 'gpujs', reason: 'gpu.js computes in no mode' });
}

async function openMode(group: Group, GPU: GpuLibrary['GPU'], mode: GpujsMode): Promise<GpujsField> {
  const field = new GpujsField(group, new GPU({ mode }), mode);
  try {
    await checkField(field, 'gpujs');
    return field;
  } catch (thrown) {
    field.close();
    throw thrown;
  }
}
