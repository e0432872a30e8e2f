// The BigInt kernel: computes a chunk by the operation's formula (operations.ts). A prepared operand is a plain copy. The dh
// kernel (diffieHellman.ts) extends it with faster powers.
import { bigintToBytes, type Group, multiply, power, toBigints } from '../../math/index.js';
import { operations } from '../operations.js';
import type { Kernel, Work, WorkOf } from '../pool/job.js';
import { computeByFormula, readExponents } from './reference.js';

export type PowerWork = WorkOf<'pow'> | WorkOf<'powShared'> | WorkOf<'powFixed'>;

export class BigintKernel implements Kernel {
  protected readonly group: Group;

  constructor(group: Group) {
    this.group = group;
  }

  run(work: Work): void {
    switch (work.op) {
      case 'prepare':
        work.out.set(work.operands.elements);
        break;
      case 'table':
        break;
      case 'pow':
      case 'powShared':
      case 'powFixed':
        this.powers(work);
        break;
      case 'window':
        this.#window(work);
        break;
      case 'horner':
        this.#horner(work);
        break;
      default:
        computeByFormula(this.group, work);
    }
  }

  dispose(): void {
    // Nothing native to free.
  }

  protected powers(work: PowerWork): void {
    computeByFormula(this.group, work);
  }

  #window({ bases, exponents, exponentBytes, lowBit, windowBits, from, to, out }: WorkOf<'window'>): void {
    const { group } = this;
    const mask = (1n << BigInt(windowBits)) - 1n;
    const own = exponents.subarray(from * exponentBytes, to * exponentBytes);
    const digits = readExponents(own, exponentBytes).map((value) => (value >> BigInt(lowBit)) & mask);
    const elements = toBigints(group, bases.subarray(from * group.elementBytes, to * group.elementBytes));
    const [product = 1n] = operations.multiExp.reference(group, { bases: elements, exponents: digits });
    out.set(bigintToBytes(product, group.elementBytes));
  }

  #horner({ parts, ranges, windowBits, out }: WorkOf<'horner'>): void {
    const { group } = this;
    const factors = toBigints(group, parts);
    let result = 1n;
    for (let top = factors.length; top > 0; top -= ranges) {
      result = power(group, result, 1n << BigInt(windowBits));
      for (const factor of factors.slice(top - ranges, top)) result = multiply(group, result, factor);
    }
    out.set(bigintToBytes(result, group.elementBytes));
  }
}
