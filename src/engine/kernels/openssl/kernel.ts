// The OpenSSL kernel: chunks computed by OpenSSL on elements in shared memory. A prepared operand is x·R mod p, so that a product
// with it is exactly one Montgomery product. Powers and products are constant-time in exponents and elements. Exceptions:
// `mulGather` reads whole elements in the order of the permutation; `product`, `window` and `horner` are for public values; the
// inversion's one step that is not constant-time works on a value blinded with fresh randomness.
import { randomFillSync } from 'node:crypto';
import type { Group } from '../../../math/index.js';
import type { EntryName } from '../../operations.js';
import type { Kernel, Work, WorkOf } from '../../pool/job.js';
import { fillTable, powerByTable } from '../fixedBase.js';
import { horner, windowProduct } from '../multiExp.js';
import { type Address, toAddress } from './library.js';
import { MontgomeryField, scratch, throwIfFailed } from './montgomery.js';

/** A flat batch in the form that canonical() writes. Batches are aligned to 8 bytes (job.ts). */
function asWords(batch: Uint8Array): Int32Array {
  return new Int32Array(batch.buffer, batch.byteOffset, batch.length / 4);
}

/** Operations that this kernel has code for; multiExp reaches it as windows. */
export const OPENSSL_COMPUTES: readonly EntryName[] = [
  'prepare',
  'mul',
  'mulGather',
  'pow',
  'powShared',
  'powFixed',
  'invertBatch',
  'product',
  'multiExp',
];

export class OpensslKernel implements Kernel {
  readonly #field: MontgomeryField;

  constructor(group: Group, useWords: boolean) {
    this.#field = new MontgomeryField(group, useWords);
  }

  run(work: Work): void {
    try {
      this.#compute(work);
    } finally {
      this.#field.wipe();
    }
  }

  dispose(): void {
    this.#field.dispose();
  }

  #compute(work: Work): void {
    switch (work.op) {
      case 'prepare':
        this.#prepare(work);
        break;
      case 'mul':
        this.#mul(work);
        break;
      case 'mulGather':
        this.#mulGather(work);
        break;
      case 'pow':
        this.#pow(work);
        break;
      case 'powShared':
        this.#powShared(work);
        break;
      case 'powFixed':
        this.#powFixed(work);
        break;
      case 'table':
        fillTable(this.#field, work);
        break;
      case 'invertBatch':
        this.#invertBatch(work);
        break;
      case 'product':
        this.#product(work);
        break;
      case 'window':
        windowProduct(this.#field, work);
        break;
      case 'horner':
        horner(this.#field, work);
        break;
      default:
        throw new Error(`${work.op} is not how this kernel computes`);
    }
  }

  #prepare({ operands: { elements }, out }: WorkOf<'prepare'>): void {
    const { bytes, at, multiply } = this.#field;
    const [source, target] = [toAddress(elements), toAddress(out)];
    for (let offset = 0; offset < out.length; offset += bytes) multiply(target + offset, source + offset, at.rSquared);
  }

  #mul({ operands: { a, b }, prepared, out }: WorkOf<'mul'>): void {
    const field = this.#field;
    const { bytes } = field;
    const [left, right, target] = [toAddress(a), toAddress(b), asWords(out)];
    const count = out.length / bytes;
    for (let i = 0; i < count; i++) {
      this.#times(left + i * bytes, right + i * bytes, prepared);
      field.canonical(target, i);
    }
  }

  #mulGather({ operands: { a, source, b }, prepared, width, out }: WorkOf<'mulGather'>): void {
    const field = this.#field;
    const { bytes } = field;
    const [left, right, target] = [toAddress(a), toAddress(b), asWords(out)];
    for (const [slot, from] of source.entries()) {
      for (let e = 0; e < width; e++) {
        const index = slot * width + e;
        this.#times(left + (from * width + e) * bytes, right + index * bytes, prepared);
        field.canonical(target, index);
      }
    }
  }

  /** result = a·b of plain a and plain or prepared b. */
  #times(a: Address, b: Address, prepared: boolean): void {
    const { at, multiply } = this.#field;
    multiply(at.result, a, b);
    if (!prepared) multiply(at.result, at.result, at.rSquared);
  }

  #pow({ operands: { bases, exponents }, exponentBytes, out }: WorkOf<'pow'>): void {
    const { bytes } = this.#field;
    const [base, exponent, target] = [toAddress(bases), toAddress(exponents), asWords(out)];
    const count = out.length / bytes;
    for (let i = 0; i < count; i++) {
      this.#loadExponent(exponent + i * exponentBytes, exponentBytes);
      this.#raise(base + i * bytes, target, i);
    }
  }

  #powShared({ operands: { bases, exponents }, exponentBytes, out }: WorkOf<'powShared'>): void {
    const { bytes } = this.#field;
    const [base, exponent, target] = [toAddress(bases), toAddress(exponents), asWords(out)];
    const [count, powers] = [bases.length / bytes, exponents.length / exponentBytes];
    for (let e = 0; e < powers; e++) {
      this.#loadExponent(exponent + e * exponentBytes, exponentBytes);
      for (let i = 0; i < count; i++) this.#raise(base + i * bytes, target, i * powers + e);
    }
  }

  #powFixed({ operands: { base, exponents }, table, exponentBytes, out }: WorkOf<'powFixed'>): void {
    const target = asWords(out);
    const count = exponents.length / exponentBytes;
    if (table) {
      powerByTable(this.#field, table, exponents, exponentBytes, count, target);
      return;
    }
    const [address, exponent] = [toAddress(base), toAddress(exponents)];
    for (let i = 0; i < count; i++) {
      this.#loadExponent(exponent + i * exponentBytes, exponentBytes);
      this.#raise(address, target, i);
    }
  }

  #loadExponent(address: Address, exponentBytes: number): void {
    this.#field.load(this.#field.bn.e, address, exponentBytes);
  }

  /** Element `index` of `target` = base^(the loaded exponent). */
  #raise(base: Address, target: Int32Array, index: number): void {
    const field = this.#field;
    const { bn, library } = field;
    field.load(bn.a, base, field.bytes);
    const done = library.BN_mod_exp_mont_consttime(bn.r, bn.a, bn.e, bn.modulus, bn.ctx, bn.mont);
    throwIfFailed(done, 'BN_mod_exp_mont_consttime');
    field.store(bn.r, field.at.result);
    field.canonical(target, index);
  }

  /**
   * Montgomery's trick: one inversion per chunk, three products per element. Prefixes P[i] = P[i−1]·a[i]·R⁻¹ and inverses I[i] =
   * P[i]⁻¹ need no conversion: the factors R cancel in I·P[i−1]·R⁻¹ = a[i]⁻¹ and I·a[i]·R⁻¹ = I[i−1].
   */
  #invertBatch({ operands: { a }, out }: WorkOf<'invertBatch'>): void {
    const field = this.#field;
    const { at, bytes, multiply } = field;
    const [source, target] = [toAddress(a), asWords(out)];
    const prefixes = scratch(a.length);
    const prefix = (i: number) => prefixes.address + i * bytes;
    const count = a.length / bytes;
    prefixes.bytes.set(a.subarray(0, bytes));
    for (let i = 1; i < count; i++) multiply(prefix(i), prefix(i - 1), source + i * bytes);
    this.#invertBlinded(prefix(count - 1));
    for (let i = count - 1; i > 0; i--) {
      multiply(at.result, at.temporary, prefix(i - 1));
      field.canonical(target, i);
      multiply(at.temporary, at.temporary, source + i * bytes);
    }
    field.bytesAt('result').set(field.bytesAt('temporary'));
    field.canonical(target, 0);
    prefixes.bytes.fill(0);
  }

  /** temporary = x⁻¹, by BN_mod_inverse of x·ρ·R⁻¹ with a fresh random ρ; the inverse is then multiplied by ρ. */
  #invertBlinded(x: Address): void {
    const field = this.#field;
    const { at, bn, library, multiply } = field;
    const blind = randomFillSync(new Uint8Array(field.bytes));
    blind[field.bytes - 1]! &= 0x7f;
    // Zero has a probability of 2^-63 at most; any other value below 2^(bits−1) is invertible.
    if (blind.every((byte) => byte === 0)) blind[0] = 1;
    field.bytesAt('blind').set(blind);
    blind.fill(0);
    multiply(at.temporary, x, at.blind);
    field.load(bn.a, at.temporary, field.bytes);
    throwIfFailed(library.BN_mod_inverse(bn.r, bn.a, bn.modulus, bn.ctx), 'BN_mod_inverse');
    field.store(bn.r, at.temporary);
    multiply(at.temporary, at.temporary, at.blind);
  }

  #product({ operands: { a }, width, out }: WorkOf<'product'>): void {
    const field = this.#field;
    const { at, bytes, multiply } = field;
    const [source, target] = [toAddress(a), asWords(out)];
    const slots = a.length / bytes / width;
    for (let e = 0; e < width; e++) {
      multiply(at.result, source + e * bytes, at.r);
      for (let slot = 1; slot < slots; slot++) multiply(at.result, at.result, source + (slot * width + e) * bytes);
      // Every product but the first left a factor R⁻¹.
      multiply(at.result, at.result, field.rPower(slots));
      field.canonical(target, e);
    }
  }
}
