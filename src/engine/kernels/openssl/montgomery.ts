// One group's field in OpenSSL, for one thread: Montgomery products r = a·b·R⁻¹ mod p on words in shared memory, with R = 2^bits.
// Two implementations of the product: OpenSSL's word-level function directly on the memory, or the public BIGNUM functions with a
// conversion on either side. Higher levels (fixed bases, multi-exponentiation, batch inversion) need only `multiply`, addresses
// and `canonical`.
import { modPow } from 'bigint-crypto-utils';
import { MixError } from '../../../base/index.js';
import { bigintToBytes, type Group } from '../../../math/index.js';
import { type Address, type GatherLibrary, type OpensslLibrary, openssl, toAddress } from './library.js';

const WORD_BYTES = 8;
/** Indices of constants and scratch elements in the arena. */
const ARENA = { modulus: 0, n0: 1, one: 2, r: 3, rSquared: 4, result: 5, temporary: 6, rPower: 7, blind: 8 } as const;
const ARENA_ELEMENTS = 9;

/** r = a·b·R⁻¹ mod p; r may be a or b. */
type Product = (r: Address, a: Address, b: Address) => void;

/** A piece of shared memory and its address; its user wipes it. */
interface Scratch {
  readonly bytes: Uint8Array;
  readonly address: Address;
}

export function scratch(length: number): Scratch {
  const bytes = new Uint8Array(new SharedArrayBuffer(length));
  return { bytes, address: toAddress(bytes) };
}

/** @throws MixError INTERNAL if OpenSSL reports a failure: out of memory, in practice */
export function throwIfFailed(result: number, what: string): number {
  if (!result) throw new MixError('INTERNAL', { what });
  return result;
}

export class MontgomeryField {
  readonly group: Group;
  /** Bytes of an element. */
  readonly bytes: number;
  readonly words: number;
  readonly multiply: Product;
  readonly gather: GatherLibrary | undefined;
  readonly library: OpensslLibrary;
  /** Handles of BIGNUMs for the operands of a public-function call, and of its context. */
  readonly bn: { a: Address; b: Address; e: Address; r: Address; modulus: Address; ctx: Address; mont: Address };
  readonly at: Readonly<Record<keyof typeof ARENA, Address>>;
  readonly #arena: Scratch;
  readonly #modulus: Int32Array;
  readonly #result: Int32Array;
  readonly #negated: Int32Array;
  #rExponent = 0;

  constructor(group: Group, useWords: boolean) {
    const { library, words, gather } = openssl();
    this.group = group;
    this.library = library;
    this.bytes = group.elementBytes;
    this.words = group.elementBytes / WORD_BYTES;
    this.#arena = scratch(ARENA_ELEMENTS * this.bytes);
    this.at = Object.fromEntries(
      Object.entries(ARENA).map(([name, index]) => [name, this.#arena.address + index * this.bytes]),
    ) as Record<keyof typeof ARENA, Address>;
    this.#modulus = this.#view('modulus');
    this.#result = this.#view('result');
    this.#negated = new Int32Array(this.bytes / 4);
    this.#writeConstants();
    this.bn = this.#allocate();
    // bn_mul_mont needs two words at least. Without it bn_gather5 is not used either, so that tests can run the portable code
    // anywhere.
    const direct = useWords && this.words > 1 ? words : undefined;
    this.gather = direct ? gather : undefined;
    this.multiply = direct
      ? (r, a, b) => void direct.bn_mul_mont(r, a, b, this.at.modulus, this.at.n0, this.words)
      : (r, a, b) => this.#multiplyBignum(r, a, b);
  }

  /**
   * Writes min(x, p − x) of the arena's `result` to element `index` of `out`, without a branch or an address that
   * depends on x.
   */
  canonical(out: Int32Array, index: number): void {
    const p = this.#modulus;
    const x = this.#result;
    const negated = this.#negated;
    const length = p.length;
    let borrow = 0;
    let less = 0;
    for (let i = 0; i < length; i++) {
      const xi = x[i]!;
      const pi = p[i]!;
      const difference = (pi - xi - borrow) | 0;
      borrow = ((~pi & xi) | ((~pi | xi) & difference)) >>> 31;
      negated[i] = difference;
      // Borrow of (p − x) − x: set if p − x < x.
      const second = (difference - xi - less) | 0;
      less = ((~difference & xi) | ((~difference | xi) & second)) >>> 31;
    }
    const mask = -less;
    const offset = index * length;
    for (let i = 0; i < length; i++) {
      const xi = x[i]!;
      out[offset + i] = xi ^ ((xi ^ negated[i]!) & mask);
    }
  }

  /** Returns the address of R^exponent mod p. The exponent is public. */
  rPower(exponent: number): Address {
    if (exponent !== this.#rExponent) {
      const { p, bits } = this.group;
      this.#write('rPower', modPow(1n << BigInt(bits), BigInt(exponent), p));
      this.#rExponent = exponent;
    }
    return this.at.rPower;
  }

  /** Loads the little-endian number at an address into a BIGNUM. */
  load(bn: Address, from: Address, bytes: number): Address {
    return throwIfFailed(this.library.BN_lebin2bn(from, bytes, bn), 'BN_lebin2bn');
  }

  store(bn: Address, to: Address): void {
    if (this.library.BN_bn2lebinpad(bn, to, this.bytes) < 0) throw new MixError('INTERNAL', { what: 'BN_bn2lebinpad' });
  }

  /** Overwrites the remains of a chunk in scratch memory and in BIGNUMs. */
  wipe(): void {
    const { a, b, e, r } = this.bn;
    for (const bn of [a, b, e, r]) this.library.BN_clear(bn);
    for (const name of ['result', 'temporary', 'blind'] as const) this.#arenaBytes(name).fill(0);
    this.#negated.fill(0);
  }

  dispose(): void {
    this.wipe();
    const { a, b, e, r, modulus, ctx, mont } = this.bn;
    for (const bn of [a, b, e, r, modulus]) this.library.BN_clear_free(bn);
    this.library.BN_MONT_CTX_free(mont);
    this.library.BN_CTX_free(ctx);
  }

  /** The bytes of a place in the arena. */
  bytesAt(name: 'result' | 'temporary' | 'blind'): Uint8Array {
    return this.#arenaBytes(name);
  }

  #arenaBytes(name: keyof typeof ARENA): Uint8Array {
    return this.#arena.bytes.subarray(ARENA[name] * this.bytes, (ARENA[name] + 1) * this.bytes);
  }

  #view(name: keyof typeof ARENA): Int32Array {
    const bytes = this.#arenaBytes(name);
    return new Int32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4);
  }

  #write(name: keyof typeof ARENA, value: bigint): void {
    this.#arenaBytes(name).set(bigintToBytes(value, this.bytes));
  }

  #writeConstants(): void {
    const { p, bits } = this.group;
    const r = (1n << BigInt(bits)) % p;
    this.#write('modulus', p);
    this.#write('n0', negativeInverse64(p));
    this.#write('one', 1n);
    this.#write('r', r);
    this.#write('rSquared', (r * r) % p);
  }

  #allocate(): MontgomeryField['bn'] {
    const { library } = this;
    const create = () => throwIfFailed(library.BN_new(), 'BN_new');
    const ctx = throwIfFailed(library.BN_CTX_new(), 'BN_CTX_new');
    const mont = throwIfFailed(library.BN_MONT_CTX_new(), 'BN_MONT_CTX_new');
    const modulus = create();
    this.load(modulus, this.at.modulus, this.bytes);
    throwIfFailed(library.BN_MONT_CTX_set(mont, modulus, ctx), 'BN_MONT_CTX_set');
    return { a: create(), b: create(), e: create(), r: create(), modulus, ctx, mont };
  }

  #multiplyBignum(r: Address, a: Address, b: Address): void {
    const { bn, bytes, library } = this;
    this.load(bn.a, a, bytes);
    this.load(bn.b, b, bytes);
    throwIfFailed(library.BN_mod_mul_montgomery(bn.r, bn.a, bn.b, bn.mont, bn.ctx), 'BN_mod_mul_montgomery');
    this.store(bn.r, r);
  }
}

/** −p⁻¹ mod 2^64, by Newton's iteration: each step doubles the number of correct low bits, from 3. */
function negativeInverse64(p: bigint): bigint {
  let inverse = p;
  for (let bits = 3; bits < 64; bits *= 2) inverse = BigInt.asUintN(64, inverse * (2n - p * inverse));
  return BigInt.asUintN(64, -inverse);
}
