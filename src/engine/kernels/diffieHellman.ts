// Powers through node:crypto's Diffie-Hellman, for a Node.js whose OpenSSL functions cannot be reached: its shared secret is
// OpenSSL's constant-time power, as fast as the native call, without a native binding. All other operations are BigInt. OpenSSL
// recognises the RFC 3526 primes; an unknown prime would get a long primality test.
import { createDiffieHellman, type DiffieHellman } from 'node:crypto';
import {
  bigintToBytes,
  bytesToBigint,
  elementAt,
  type Group,
  power,
  readElement,
  writeElement,
} from '../../math/index.js';
import { makeRequest, type RequestOf } from '../checked/request.js';
import { BigintKernel, type PowerWork } from './bigint.js';

/** OpenSSL refuses smaller moduli for Diffie-Hellman. Only test groups are smaller. */
const DH_BITS_MIN = 512;

const isZero = (bytes: Uint8Array): boolean => {
  let any = 0;
  for (const byte of bytes) any |= byte;
  return any === 0;
};

export class DhKernel extends BigintKernel {
  readonly #dh: DiffieHellman | undefined;

  constructor(group: Group) {
    super(group);
    if (group.bits < DH_BITS_MIN) return;
    const prime = Buffer.from(bigintToBytes(group.p, group.elementBytes)).reverse();
    this.#dh = createDiffieHellman(prime, 2);
  }

  protected override powers(work: PowerWork): void {
    const { group } = this;
    const { exponentBytes, out } = work;
    const { exponents } = work.operands;
    const makeRaiser = (index: number) =>
      this.#raise(exponents.subarray(index * exponentBytes, (index + 1) * exponentBytes));
    if (work.op === 'powShared') {
      const powers = exponents.length / exponentBytes;
      const { bases } = work.operands;
      for (let e = 0; e < powers; e++) {
        const raise = makeRaiser(e);
        for (let i = e; i * group.elementBytes < out.length; i += powers) {
          writeElement(group, out, i, raise(elementAt(group, bases, Math.floor(i / powers))));
        }
      }
      return;
    }
    for (let i = 0; i * exponentBytes < exponents.length; i++) {
      const base = work.op === 'pow' ? elementAt(group, work.operands.bases, i) : work.operands.base;
      writeElement(group, out, i, makeRaiser(i)(base));
    }
  }

  /** Returns the power function of one exponent, little-endian. */
  #raise(exponent: Uint8Array): (base: Uint8Array) => bigint {
    const { group } = this;
    const dh = this.#dh;
    if (!dh) return (base) => power(group, bytesToBigint(base), bytesToBigint(exponent));
    // OpenSSL takes private keys from 1 to the size of p; a longer exponent is reduced by the order of the group first.
    const long = exponent.length > group.elementBytes;
    const key = Buffer.from(long ? bigintToBytes(bytesToBigint(exponent) % group.q, group.elementBytes) : exponent);
    key.reverse();
    if (isZero(key)) return () => 1n;
    dh.setPrivateKey(key);
    key.fill(0);
    return (base) => {
      // OpenSSL refuses 1 as a public key, and ±1 as a secret: those can only be powers of 1, or powers to multiples of q.
      const value = readElement(group, base, 0);
      if (value === 1n) return 1n;
      try {
        const secret = dh.computeSecret(Buffer.from(base).reverse());
        const result = bytesToBigint(secret.reverse());
        secret.fill(0);
        return result > group.q ? group.p - result : result;
      } catch {
        // The result is ±1: computed by BigInt.
        return power(group, value, bytesToBigint(exponent));
      }
    };
  }
}

/** Reason why this kernel cannot run here; undefined if it can. */
export function dhUnavailable(group: Group): string | undefined {
  try {
    new DhKernel(group).run(probe(group));
    return undefined;
  } catch (thrown) {
    return `node:crypto Diffie-Hellman: ${thrown instanceof Error ? thrown.message : String(thrown)}`;
  }
}

function probe(group: Group): RequestOf<'pow'> {
  const bases = new Uint8Array(group.elementBytes);
  bases[0] = 3;
  const out = new Uint8Array(group.elementBytes);
  return makeRequest('pow', { bases, exponents: Uint8Array.of(5) }, out, { exponentBytes: 1 });
}
