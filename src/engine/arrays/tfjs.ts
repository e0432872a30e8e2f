// The tfjs engine's field: Montgomery products in a residue number system (residues.ts) on TensorFlow.js tensors, float32. A
// product is element-wise in both bases, with two base extensions, which are matrix products with constant matrices. Gives a
// second opinion, and runs wherever TensorFlow.js does; never constant-time.
import { asMixError, MixError } from '../../base/index.js';
import { type Logger, silentLog } from '../../base/log.js';
import { absolute, bigintToBytes, bytesToBigint, type Group } from '../../math/index.js';
import { checkField } from './executor.js';
import type { BatchField } from './field.js';
import { type Constants, DIGIT, makeConstants } from './residues.js';
import {
  installedBackends,
  type LoadedTensors,
  loadTensors,
  type Tensor,
  type Tensors,
  TFJS_PACKAGES,
  type TfjsBackend,
} from './tensors.js';

/** Rows at once. The wasm backend is faster with more rows; meanwhile nothing else runs on this thread. */
const ROWS: Record<TfjsBackend, { readonly products: number; readonly powers: number }> = {
  'node-gpu': { products: 4096, powers: 1024 },
  node: { products: 512, powers: 128 },
  wasm: { products: 256, powers: 64 },
  cpu: { products: 64, powers: 8 },
};
/** More than the error of a sum of fractions, less than 1 − 1/4 (see makeConstants). */
const ROUNDING = 0.375;

/** Numbers as remainders in both bases, one row each. */
interface Residues {
  readonly a: Tensor;
  readonly b: Tensor;
}

/** A matrix or row of remainders in two digits. */
interface Digits {
  readonly high: Tensor;
  readonly low: Tensor;
}

class TfjsField implements BatchField<Residues> {
  readonly group: Group;
  readonly path: string;
  readonly rSquared: bigint;
  readonly rows;
  readonly #loaded: LoadedTensors;
  readonly #tf: Tensors;
  readonly #constants: Constants;
  readonly #own: Tensor[] = [];
  readonly #digit: Tensor;
  readonly #rounding: Tensor;
  readonly #moduli: Residues;
  readonly #quotient: Digits;
  readonly #toB: Digits;
  readonly #inverseM: Digits;
  readonly #weight: Digits;
  readonly #toA: Digits;
  readonly #minusProduct: Tensor;
  readonly #input: { readonly a: Digits; readonly b: Digits };
  readonly #toBytes: Tensor;

  constructor(group: Group, loaded: LoadedTensors) {
    const constants = makeConstants(group);
    const { a, b } = constants;
    const [k, l] = [a.moduli.length, b.moduli.length];
    loaded.activate();
    this.group = group;
    this.path = `TensorFlow.js, ${loaded.backend} backend`;
    this.rSquared = constants.rSquared;
    this.rows = ROWS[loaded.backend];
    this.#loaded = loaded;
    this.#tf = loaded.tf;
    this.#constants = constants;
    this.#digit = this.#owned(loaded.tf.scalar(DIGIT));
    this.#rounding = this.#owned(loaded.tf.scalar(ROUNDING));
    this.#moduli = { a: this.#matrix(a.moduli, 1, k), b: this.#matrix(b.moduli, 1, l) };
    this.#quotient = this.#digits(constants.quotient, 1, k);
    this.#toB = this.#digits(constants.toB, k, l);
    this.#inverseM = this.#digits(constants.inverseM, 1, l);
    this.#weight = this.#digits(constants.weight, 1, l);
    this.#toA = this.#digits(constants.toA, l, k);
    this.#minusProduct = this.#matrix(constants.minusProduct, 1, k);
    const { elementBytes } = group;
    this.#input = {
      a: this.#digits(constants.bytesToA, elementBytes, k),
      b: this.#digits(constants.bytesToB, elementBytes, l),
    };
    this.#toBytes = this.#matrix(constants.toBytes, l, constants.outputBytes);
  }

  async read(elements: Uint8Array): Promise<Residues> {
    const { elementBytes } = this.group;
    this.#loaded.activate();
    return this.#tf.tidy(() => {
      const shape = [elements.length / elementBytes, elementBytes] as const;
      const bytes = this.#tf.tensor2d(Float32Array.from(elements), shape, 'float32');
      const { a, b } = this.#input;
      return { a: this.#fromBytes(bytes, a, this.#moduli.a), b: this.#fromBytes(bytes, b, this.#moduli.b) };
    });
  }

  async write(values: Residues, out: Uint8Array): Promise<void> {
    const { group } = this;
    const { outputBytes, b } = this.#constants;
    this.#loaded.activate();
    const [columns, betas] = this.#tf.tidy(() => {
      const weights = this.#timesConstant(values.b, this.#weight, this.#moduli.b);
      const { high, low } = this.#split(weights);
      const parts = [this.#tf.matMul(low, this.#toBytes), this.#tf.matMul(high, this.#toBytes)];
      return [this.#tf.concat(parts, 1), this.#beta(weights)] as const;
    });
    const [sums, beta] = await Promise.all([columns.data(), betas.data()]);
    columns.dispose();
    betas.dispose();
    for (let row = 0; row < beta.length; row++) {
      const own = sums.subarray(2 * row * outputBytes, 2 * (row + 1) * outputBytes);
      const value = toNumber(own, outputBytes) - BigInt(beta[row]!) * b.product;
      out.set(bigintToBytes(absolute(group, value), group.elementBytes), row * group.elementBytes);
    }
  }

  async multiply(x: Residues, y: Residues): Promise<Residues> {
    const { a, b } = this.#moduli;
    this.#loaded.activate();
    return this.#tf.tidy(() => {
      const [inA, inB] = [this.#times(x.a, y.a, a), this.#times(x.b, y.b, b)];
      const quotient = this.#timesConstant(inA, this.#quotient, a);
      const resultB = this.#extend(quotient, this.#toB, b, this.#timesConstant(inB, this.#inverseM, b));
      const weights = this.#timesConstant(resultB, this.#weight, b);
      const correction = this.#tf.mul(this.#beta(weights), this.#minusProduct);
      return { a: this.#extend(weights, this.#toA, a, correction), b: resultB };
    });
  }

  async concat(parts: readonly Residues[]): Promise<Residues> {
    this.#loaded.activate();
    const join = (tensors: readonly Tensor[]) => this.#tf.concat(tensors, 0);
    return { a: join(parts.map(({ a }) => a)), b: join(parts.map(({ b }) => b)) };
  }

  async gather({ a, b }: Residues, rows: Uint32Array): Promise<Residues> {
    this.#loaded.activate();
    return this.#tf.tidy(() => {
      const chosen = this.#tf.tensor1d(Int32Array.from(rows), 'int32');
      return { a: this.#tf.gather(a, chosen), b: this.#tf.gather(b, chosen) };
    });
  }

  free({ a, b }: Residues): void {
    a.dispose();
    b.dispose();
  }

  close(): void {
    for (const tensor of this.#own) tensor.dispose();
  }

  /** t mod m, for integers 0 ≤ t < 2^24 − 2^14: within them no quotient is rounded up to the next integer. */
  #mod(t: Tensor, moduli: Tensor): Tensor {
    return this.#tf.sub(t, this.#tf.mul(this.#tf.floor(this.#tf.div(t, moduli)), moduli));
  }

  #split(x: Tensor): Digits {
    const high = this.#tf.floor(this.#tf.div(x, this.#digit));
    return { high, low: this.#tf.sub(x, this.#tf.mul(high, this.#digit)) };
  }

  /** (high·2^7 + low) mod m. */
  #join(high: Tensor, low: Tensor, moduli: Tensor): Tensor {
    return this.#mod(this.#tf.add(this.#tf.mul(this.#mod(high, moduli), this.#digit), low), moduli);
  }

  #times(x: Tensor, y: Tensor, moduli: Tensor): Tensor {
    return this.#timesConstant(y, this.#split(x), moduli);
  }

  #timesConstant(x: Tensor, { high, low }: Digits, moduli: Tensor): Tensor {
    return this.#join(this.#tf.mul(x, high), this.#tf.mul(x, low), moduli);
  }

  /** Σ xᵢ·Cᵢⱼ + more, mod mⱼ. */
  #extend(x: Tensor, constant: Digits, moduli: Tensor, more: Tensor): Tensor {
    const { matMul, add } = this.#tf;
    const { high, low } = this.#split(x);
    const middle = add(matMul(high, constant.low), matMul(low, constant.high));
    // The highest part first: its remainder, shifted, goes into the middle part.
    const upper = add(this.#tf.mul(this.#mod(matMul(high, constant.high), moduli), this.#digit), middle);
    return this.#join(upper, add(matMul(low, constant.low), more), moduli);
  }

  #fromBytes(bytes: Tensor, { high, low }: Digits, moduli: Tensor): Tensor {
    const part = (digits: Tensor) => this.#mod(this.#tf.matMul(bytes, digits), moduli);
    return this.#join(part(high), part(low), moduli);
  }

  /** Multiples of M' in Σ weightⱼ·M'/m'ⱼ: the integer part of the sum of fractions. */
  #beta(weights: Tensor): Tensor {
    const fractions = this.#tf.sum(this.#tf.div(weights, this.#moduli.b), 1, true);
    return this.#tf.floor(this.#tf.add(fractions, this.#rounding));
  }

  #owned(tensor: Tensor): Tensor {
    this.#own.push(tensor);
    return tensor;
  }

  #matrix(values: readonly number[], rows: number, columns: number): Tensor {
    return this.#owned(this.#tf.tensor2d(Float32Array.from(values), [rows, columns], 'float32'));
  }

  #digits(values: readonly number[], rows: number, columns: number): Digits {
    const high = values.map((value) => Math.floor(value / DIGIT));
    const low = values.map((value) => value % DIGIT);
    return { high: this.#matrix(high, rows, columns), low: this.#matrix(low, rows, columns) };
  }
}

/** Returns the number with these columns of 8 bits: first those of low digits, then those of high ones, which weigh 2^7. */
function toNumber(columns: Float32Array, outputBytes: number): bigint {
  const bytes = new Uint8Array(outputBytes + 4);
  let carry = 0;
  for (let index = 0; index < bytes.length; index++) {
    if (index < outputBytes) carry += columns[index]! + DIGIT * columns[outputBytes + index]!;
    bytes[index] = carry % 256;
    carry = Math.floor(carry / 256);
  }
  return bytesToBigint(bytes);
}

/** Opens the best backend that is installed and computes exactly here; logs why better backends failed. */
export async function openTfjs(
  group: Group,
  log: Logger = silentLog,
  backends = installedBackends(),
): Promise<TfjsField> {
  if (backends.length === 0) {
    const reason = `not installed: \`npm install ${TFJS_PACKAGES.join(' ')}\` brings it`;
    throw new MixError('ENGINE_UNAVAILABLE', { engine: 'tfjs', reason });
  }
  const failures: MixError[] = [];
  for (const backend of backends) {
    try {
      return await openBackend(group, backend);
    } catch (thrown) {
      const error = asMixError(thrown);
      failures.push(error);
      log.warn({ engine: 'tfjs', backend, reason: error.message }, 'TensorFlow.js does not compute with this backend');
    }
  }
  throw failures[0]!;
}

async function openBackend(group: Group, backend: TfjsBackend): Promise<TfjsField> {
  const field = new TfjsField(group, await loadTensors(backend));
  try {
    await checkField(field, 'tfjs');
    return field;
  } catch (thrown) {
    field.close();
    throw thrown;
  }
}
