// The BigInt kernel: decodes a chunk, calls the catalogue, encodes. A prepared operand is a plain copy. The dh kernel
// (diffieHellman.ts) is this one with better powers.
import {
  bigintToBytes,
  bytesToBigint,
  elementOf,
  type Group,
  multiply,
  power,
  readElement,
  writeElement,
} from '../../math/index.js';
import { catalogue } from '../catalogue.js';
import type { Kernel, Work, WorkOf } from '../pool/job.js';

export type PowerWork = WorkOf<'pow'> | WorkOf<'powShared'> | WorkOf<'powFixed'>;

export class BigintKernel implements Kernel {
  protected readonly group: Group;

  constructor(group: Group) {
    this.group = group;
  }

  run(work: Work): void {
    const { group } = this;
    switch (work.op) {
      case 'prepare':
        work.out.set(this.#bytes(work.a, work.from, work.to), work.from * group.elementBytes);
        break;
      case 'table':
        break;
      case 'mul': {
        const { a, b, from, to } = work;
        this.write(work.out, from, catalogue.mul(group, this.read(a, from, to), this.read(b, from, to)));
        break;
      }
      case 'mulGather':
        this.#mulGather(work);
        break;
      case 'invertBatch':
        this.write(work.out, work.from, catalogue.invertBatch(group, this.read(work.a, work.from, work.to)));
        break;
      case 'product': {
        const { a, width, from, to } = work;
        this.write(work.out, 0, catalogue.product(group, this.read(a, from * width, to * width), width));
        break;
      }
      case 'multiExp':
        throw new Error('multiExp is computed by windows here');
      case 'window':
        this.#window(work);
        break;
      case 'horner':
        this.#horner(work);
        break;
      default:
        this.powers(work);
    }
  }

  dispose(): void {
    // Nothing native to free.
  }

  protected powers(work: PowerWork): void {
    const { exponents, exponentBytes, from, to, out } = work;
    const values = (first: number, end: number) => this.#exponents(exponents, exponentBytes, first, end);
    if (work.op === 'powShared') {
      const shared = values(0, exponents.length / exponentBytes);
      this.write(out, from * shared.length, catalogue.powShared(this.group, this.read(work.bases, from, to), shared));
    } else if (work.op === 'pow') {
      this.write(out, from, catalogue.pow(this.group, this.read(work.bases, from, to), values(from, to)));
    } else {
      this.write(out, from, catalogue.powFixed(this.group, readElement(this.group, work.base, 0), values(from, to)));
    }
  }

  protected read(batch: Uint8Array, from: number, to: number): bigint[] {
    return Array.from({ length: to - from }, (_, index) => readElement(this.group, batch, from + index));
  }

  protected write(batch: Uint8Array, from: number, values: readonly bigint[]): void {
    for (const [index, value] of values.entries()) writeElement(this.group, batch, from + index, value);
  }

  #bytes(batch: Uint8Array, from: number, to: number): Uint8Array {
    return batch.subarray(from * this.group.elementBytes, to * this.group.elementBytes);
  }

  #exponents(exponents: Uint8Array, exponentBytes: number, from: number, to: number): bigint[] {
    return Array.from({ length: to - from }, (_, index) =>
      bytesToBigint(exponents.subarray((from + index) * exponentBytes, (from + index + 1) * exponentBytes)),
    );
  }

  #mulGather({ a, source, b, width, from, to, out }: WorkOf<'mulGather'>): void {
    // Only this chunk's slots are decoded: they are gathered first, and stand in their places when they are multiplied.
    const gathered: bigint[] = [];
    for (let slot = from; slot < to; slot++) {
      gathered.push(...this.read(a, source[slot]! * width, (source[slot]! + 1) * width));
    }
    const places = Array.from({ length: to - from }, (_, index) => index);
    const operand = this.read(b, from * width, to * width);
    this.write(out, from * width, catalogue.mulGather(this.group, gathered, places, operand, width));
  }

  #window({ bases, exponents, exponentBytes, lowBit, windowBits, from, to, out }: WorkOf<'window'>): void {
    const mask = (1n << BigInt(windowBits)) - 1n;
    const digits = this.#exponents(exponents, exponentBytes, from, to).map((value) => (value >> BigInt(lowBit)) & mask);
    this.write(out, 0, [catalogue.multiExp(this.group, this.read(bases, from, to), digits)]);
  }

  #horner({ parts, ranges, windowBits, out }: WorkOf<'horner'>): void {
    const count = parts.length / this.group.elementBytes;
    let result = 1n;
    for (let top = count; top > 0; top -= ranges) {
      result = power(this.group, result, 1n << BigInt(windowBits));
      for (const part of this.read(parts, top - ranges, top)) result = multiply(this.group, result, part);
    }
    out.set(bigintToBytes(result, this.group.elementBytes));
  }

  /** The view of one element, for kernels that compute on bytes. */
  protected element(batch: Uint8Array, index: number): Uint8Array {
    return elementOf(this.group, batch, index);
  }
}
