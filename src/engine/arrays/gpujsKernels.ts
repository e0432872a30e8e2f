// The gpujs engine's kernels, as gpu.js takes them: text in its subset of JavaScript, one number per thread. Numbers are limbs of
// 8 bits in float32, which is exact for integers up to 2^24, so every sum is bounded:
//
// - A limb is at most 257 (LIMB_MAX): carries are passed on twice, in parallel, and never rippled to the end.
// - A column of a product is summed in segments of at most 254 terms (SEGMENT_MAX): 254·257² = 16,776,446 < 2^24. 257 limbs (2048
//   bits) have 2 segments of 129, 385 have 2 of 193, 513 have 3 of 171.
// - `settle` adds the three bytes of each segment's sum to three columns: at most 3·3·255 = 2,295 a column.
import { MixError } from '../../base/index.js';

export const LIMB_BITS = 8;
export const LIMB_MAX = 257;
export const SEGMENT_MAX = 254;

/** Result of a kernel: rows of numbers, in segments or not, in memory or on a card. */
type Values = readonly (ArrayLike<number> | readonly ArrayLike<number>[])[] | Texture;
interface Texture {
  delete(): void;
}

/** The part of gpu.js that this file uses. */
export interface Gpu {
  createKernel(source: string, settings: Readonly<Record<string, unknown>>): GpuKernel;
  destroy(): unknown;
}
interface GpuKernel {
  (...values: readonly Values[]): Values | Promise<Values>;
  setOutput(output: readonly number[]): GpuKernel;
}

/** Columns of a·b in segments; with `oneRow`, b is one row for all. Terms beyond the requested columns are not summed. */
const columnsSource = (oneRow: boolean) => `function columns(a, b) {
  const x = this.thread.x;
  const y = this.thread.y;
  let low = x - this.constants.limbs + 1;
  const start = this.thread.z * this.constants.segment;
  if (low < start) { low = start; }
  let high = x + 1;
  if (high > start + this.constants.segment) { high = start + this.constants.segment; }
  if (high > this.constants.limbs) { high = this.constants.limbs; }
  let sum = 0;
  for (let j = low; j < high; j++) {
    sum += a[y][j] * b[${oneRow ? '0' : 'y'}][x - j];
  }
  return sum;
}`;

/** The lowest byte of an expression, and the part above it. A division by a power of two is exact as a product. */
const high = (value: string) => `Math.floor((${value}) * 0.00390625)`;
const low = (value: string) => `((${value}) - 256 * ${high(value)})`;

/** Adds the bytes of all segments' sums to their columns, and passes carries on twice: limbs of at most 256. */
const SETTLE = `function settle(p) {
  const x = this.thread.x;
  const y = this.thread.y;
  let v0 = 0;
  let v1 = 0;
  let v2 = 0;
  for (let s = 0; s < this.constants.segments; s++) {
    let c1 = 0;
    let c2 = 0;
    let c3 = 0;
    let c4 = 0;
    const c0 = p[s][y][x];
    if (x >= 1) { c1 = p[s][y][x - 1]; }
    if (x >= 2) { c2 = p[s][y][x - 2]; }
    if (x >= 3) { c3 = p[s][y][x - 3]; }
    if (x >= 4) { c4 = p[s][y][x - 4]; }
    const d1 = ${high('c1')};
    const d2 = ${high('c2')};
    const d3 = ${high('c3')};
    v0 += ${low('c0')} + ${low('d1')} + ${high('d2')};
    v1 += ${low('c1')} + ${low('d2')} + ${high('d3')};
    v2 += ${low('c2')} + ${low('d3')} + Math.floor(c4 * 0.0000152587890625);
  }
  const w0 = ${low('v0')} + ${high('v1')};
  const w1 = ${low('v1')} + ${high('v2')};
  return ${low('w0')} + ${high('w1')};
}`;

/**
 * The upper half of t + u, whose lower half is c·R exactly: c is read off its three highest limbs, since all below are less than
 * 2^-22 of R. One carry step: at most 255 + ⌊(2·256 + 2)/256⌋ = 257.
 */
const FINISH = `function finish(t, u) {
  const x = this.thread.x;
  const y = this.thread.y;
  const n = this.constants.limbs;
  const e1 = t[y][n - 1] + u[y][n - 1];
  const e2 = t[y][n - 2] + u[y][n - 2];
  const e3 = t[y][n - 3] + u[y][n - 3];
  const c = Math.floor((e1 + (e2 + e3 * 0.00390625) * 0.00390625) * 0.00390625 + 0.5);
  let w0 = t[y][n + x] + u[y][n + x];
  let w1 = 0;
  if (x == 0) { w0 += c; }
  if (x >= 1) { w1 = t[y][n + x - 1] + u[y][n + x - 1]; }
  if (x == 1) { w1 += c; }
  return ${low('w0')} + ${high('w1')};
}`;

/** The kernels for numbers of `limbs` limbs. */
export class GpujsKernels {
  readonly limbs: number;
  readonly segments: number;
  readonly #kernels;

  /** `onDevice`: results of steps stay on the card. */
  constructor(gpu: Gpu, limbs: number, onDevice: boolean) {
    this.limbs = limbs;
    this.segments = Math.ceil(limbs / SEGMENT_MAX);
    const { segments } = this;
    const segment = Math.ceil(limbs / segments);
    // Never precision 'unsigned': it packs numbers into bytes, and gives wrong results in headless WebGL.
    const fixed = { precision: 'single', dynamicOutput: true, dynamicArguments: true, loopMaxIterations: SEGMENT_MAX };
    const create = (source: string, stays = onDevice) =>
      gpu.createKernel(source, {
        ...fixed,
        ...(stays && { pipeline: true, immutable: true }),
        constants: { limbs, segment, segments },
        output: [limbs, 1, segments],
      });
    this.#kernels = {
      columns: create(columnsSource(false)),
      byConstant: create(columnsSource(true)),
      lowByConstant: create(columnsSource(true)),
      settle: create(SETTLE),
      settleLow: create(SETTLE),
      finish: create(FINISH, false),
    };
  }

  /** Columns of products, by segments: the largest sums of all steps. */
  async columns(a: Values, b: Values, rows: number): Promise<Values> {
    const { limbs, segments } = this;
    return this.#kernels.columns.setOutput([2 * limbs, rows, segments])(a, b);
  }

  /** a·b·R⁻¹ mod p, below 1.02·p, for a and b below that. `modulus`: p; `inverse`: −p⁻¹ mod R. */
  async montgomery(a: Values, b: Values, rows: number, modulus: Values, inverse: Values): Promise<Values> {
    const { limbs, segments } = this;
    const { byConstant, lowByConstant, settle, settleLow, finish } = this.#kernels;
    const whole = [2 * limbs, rows];
    const product = await this.columns(a, b, rows);
    const t = await settle.setOutput(whole)(product);
    const lowProduct = await lowByConstant.setOutput([limbs, rows, segments])(t, inverse);
    const m = await settleLow.setOutput([limbs, rows])(lowProduct);
    const multiple = await byConstant.setOutput([2 * limbs, rows, segments])(m, modulus);
    const u = await settle.setOutput(whole)(multiple);
    const result = await finish.setOutput([limbs, rows])(t, u);
    for (const values of [product, t, lowProduct, m, multiple, u]) release(values);
    return result;
  }
}

function release(values: Values): void {
  if ('delete' in values) values.delete();
}

/** Rows of numbers in memory. @throws MixError INTERNAL if they are still on a card */
export function asRows(values: Values): readonly Float32Array[] {
  if (!Array.isArray(values)) throw new MixError('INTERNAL', { what: 'gpu.js gave no array' });
  return values as readonly Float32Array[];
}
