// The OpenSSL inside Node.js itself, reached through koffi: no compiler, no headers. Pointers are plain numbers (addresses in
// user space are below 2^53): a call then costs some 30 ns, and an address can be computed from that of its buffer.
import koffi from 'koffi';

export type Address = number;

/** The functions used, by C name. Sizes are in bytes for BN_*, in 64-bit words for bn_*. */
export interface OpensslLibrary {
  BN_new(): Address;
  BN_clear(bn: Address): void;
  BN_clear_free(bn: Address): void;
  BN_CTX_new(): Address;
  BN_CTX_free(ctx: Address): void;
  BN_MONT_CTX_new(): Address;
  BN_MONT_CTX_free(mont: Address): void;
  BN_MONT_CTX_set(mont: Address, modulus: Address, ctx: Address): number;
  BN_lebin2bn(from: Address, bytes: number, bn: Address): Address;
  BN_bn2lebinpad(bn: Address, to: Address, bytes: number): number;
  BN_mod_exp_mont_consttime(r: Address, a: Address, e: Address, m: Address, ctx: Address, mont: Address): number;
  BN_mod_mul_montgomery(r: Address, a: Address, b: Address, mont: Address, ctx: Address): number;
  BN_mod_inverse(r: Address, a: Address, m: Address, ctx: Address): Address;
}

/** Internal functions of OpenSSL that most builds of Node.js export, too: the bare product of words in memory. */
interface WordLibrary {
  bn_mul_mont(r: Address, a: Address, b: Address, modulus: Address, n0: Address, words: number): number;
}

/** Internal, x86-64 only: reads a table of 32 entries as a whole, so that no address reveals the wanted entry. */
export interface GatherLibrary {
  bn_gather5(out: Address, words: number, table: Address, entry: number): void;
}

const PROTOTYPES: Record<keyof OpensslLibrary, string> = {
  BN_new: 'uint64_t BN_new()',
  BN_clear: 'void BN_clear(uint64_t)',
  BN_clear_free: 'void BN_clear_free(uint64_t)',
  BN_CTX_new: 'uint64_t BN_CTX_new()',
  BN_CTX_free: 'void BN_CTX_free(uint64_t)',
  BN_MONT_CTX_new: 'uint64_t BN_MONT_CTX_new()',
  BN_MONT_CTX_free: 'void BN_MONT_CTX_free(uint64_t)',
  BN_MONT_CTX_set: 'int BN_MONT_CTX_set(uint64_t, uint64_t, uint64_t)',
  BN_lebin2bn: 'uint64_t BN_lebin2bn(uint64_t, int, uint64_t)',
  BN_bn2lebinpad: 'int BN_bn2lebinpad(uint64_t, uint64_t, int)',
  BN_mod_exp_mont_consttime:
    'int BN_mod_exp_mont_consttime(uint64_t, uint64_t, uint64_t, uint64_t, uint64_t, uint64_t)',
  BN_mod_mul_montgomery: 'int BN_mod_mul_montgomery(uint64_t, uint64_t, uint64_t, uint64_t, uint64_t)',
  BN_mod_inverse: 'uint64_t BN_mod_inverse(uint64_t, uint64_t, uint64_t, uint64_t)',
};

interface OpensslBinding {
  readonly library: OpensslLibrary;
  readonly words: WordLibrary | undefined;
  readonly gather: GatherLibrary | undefined;
}

let cached: OpensslBinding | undefined;

/** Binds the functions. @throws Error naming the function, or the property of the machine, that is missing */
export function openssl(): OpensslBinding {
  if (cached) return cached;
  if (process.arch !== 'x64' && process.arch !== 'arm64') throw new Error(`not a 64-bit machine: ${process.arch}`);
  const self = koffi.load(null);
  const library = Object.fromEntries(
    Object.entries(PROTOTYPES).map(([name, prototype]) => [name, self.func(prototype)]),
  ) as unknown as OpensslLibrary;
  const optional = (prototype: string): unknown => {
    try {
      return self.func(prototype);
    } catch {
      // Not exported by this build: the engine's path shows it.
      return undefined;
    }
  };
  const multiply = optional('int bn_mul_mont(uint64_t, uint64_t, uint64_t, uint64_t, uint64_t, int)');
  const gather = optional('void bn_gather5(uint64_t, size_t, uint64_t, size_t)');
  cached = {
    library,
    words: multiply ? { bn_mul_mont: multiply as WordLibrary['bn_mul_mont'] } : undefined,
    gather: gather ? { bn_gather5: gather as GatherLibrary['bn_gather5'] } : undefined,
  };
  return cached;
}

const begins = new WeakMap<ArrayBufferLike, Address>();

/** Returns the address of a view in shared memory. Shared memory never moves while it is alive, so its begin is cached. */
export function toAddress(view: Uint8Array | Uint32Array): Address {
  let begin = begins.get(view.buffer);
  if (begin === undefined) {
    begin = Number(koffi.address(new Uint8Array(view.buffer)));
    begins.set(view.buffer, begin);
  }
  return begin + view.byteOffset;
}
