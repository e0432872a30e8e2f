// The contestants of `millrace bench compare`: this project's engines, and libraries that others would use. Each can be asked for
// one sample of an operation, so that all take turns.
import { createDiffieHellman } from 'node:crypto';
import { modInv, modPow } from 'bigint-crypto-utils';
import { systemRng } from '../../base/index.js';
import { type Engine, type EngineName, type OperationName, openEngine, probeEngines } from '../../engine/index.js';
import { bigintToBytes, elementAt, type Group, randomElements, randomExponents, toBigints } from '../../math/index.js';
import { type BareMeasure, BareProduct } from '../engine/bare.js';
import { type ReadyOperation, readyOperation } from '../engine/operations.js';
import type { Spread } from '../stats.js';
import { GmpPeer } from './gmp.js';

/** Operations that are compared; `powFull`: exponents as long as the modulus. */
export const COMPARED = ['pow', 'powShared', 'powFixed', 'mul', 'invertBatch', 'powFull'] as const;
export type ComparedOperation = (typeof COMPARED)[number];

export interface ComparedRow {
  readonly contestant: string;
  readonly what: string;
  readonly threads: number;
  /** Operations in one sample. */
  readonly count: number;
  readonly usPerOp: Spread;
  /** Speed relative to GMP and to the openssl engine, minima compared; absent if those do not take part. */
  readonly toGmp?: number;
  readonly toOpenssl?: number;
}

export interface ComparedTable {
  readonly op: ComparedOperation;
  readonly exponentBits?: number;
  /** Cores that other processes kept busy meanwhile, on average; shows how far to trust the figures. */
  readonly othersCores: number;
  readonly rows: readonly ComparedRow[];
}

/** A contestant's implementation of one operation. */
export interface Entry {
  readonly contestant: string;
  /** The measured operation, in words. */
  readonly what: string;
  /** Worker threads; 1 for libraries. */
  readonly threads: number;
  /** Counts must be multiples of this. */
  readonly grain: number;
  /** Fixed number of operations per sample, regardless of the time; undefined if any number is valid. */
  readonly fixedCount?: number;
  /** Measures `count` operations: microseconds per operation; undefined if it cannot do the operation after all. */
  sample(count: number): Promise<number | undefined>;
}

/** An engine or library that takes part. */
export interface Contestant {
  readonly name: string;
  /** Returns its entries for an operation; empty if it does not have the operation. */
  enter(op: ComparedOperation, exponentBits: number, batch: number): Entry[];
  close(): Promise<void>;
}

const SHORT: readonly ComparedOperation[] = ['mul', 'invertBatch'];
/** Lanes of the vector kernels: counts are multiples, because a node's batches are large. */
const LANES = 8;
/** Engines without workers are slow, so few operations are a sample; but tensors reach their speed only from some rows on. */
const INLINE_GRAIN: Partial<Record<EngineName, number>> = { gpujs: 2, tfjs: 32 };

/** Makes an engine a contestant: short operations in whole batches, powers as many as fit the time. */
function engineContestant(name: string, engine: Engine): Contestant {
  const ready = new Map<string, ReadyOperation>();
  const operationFor = async (op: OperationName, exponentBits: number, batch: number): Promise<ReadyOperation> => {
    const key = `${op} ${exponentBits} ${batch}`;
    let operation = ready.get(key);
    if (!operation) {
      operation = await readyOperation(engine, op, { exponentBits, batch });
      ready.set(key, operation);
    }
    return operation;
  };
  return {
    name,
    enter(compared, exponentBits, batch) {
      const op = compared === 'powFull' ? 'pow' : compared;
      const short = SHORT.includes(compared);
      const inline = engine.threads === 0;
      // Such a power takes many seconds on an array library, and tells nothing new.
      if (inline && compared === 'powFull') return [];
      const what = short ? `${op}, batches queued` : op;
      const entry: Entry = {
        contestant: name,
        what: `${what} (${engine.path})`,
        threads: engine.threads,
        grain: INLINE_GRAIN[engine.name] ?? LANES * engine.threads,
        // Inversions by BigInt do not profit from a batch: as many as fit the time are enough.
        ...(short && !inline && !(op === 'invertBatch' && engine.name === 'bigint') && { fixedCount: batch }),
        sample: async (count) => (await operationFor(op, exponentBits, count)).sample(),
      };
      return [entry];
    },
    async close() {
      for (const operation of ready.values()) operation.release();
      await engine.close();
    },
  };
}

/** Makes a library with synchronous calls a contestant. */
function callContestant(
  name: string,
  calls: (op: ComparedOperation, exponentBits: number) => { what: string; run: (count: number) => void } | undefined,
): Contestant {
  return {
    name,
    enter(op, exponentBits) {
      const call = calls(op, exponentBits);
      if (!call) return [];
      const sample = async (count: number) => {
        const start = process.hrtime.bigint();
        call.run(count);
        return Number(process.hrtime.bigint() - start) / 1000 / count;
      };
      return [{ contestant: name, what: call.what, threads: 1, grain: 1, sample }];
    },
    close: async () => {},
  };
}

const OPERANDS = 8;

function diffieHellman(group: Group): Contestant {
  const bigEndian = (bytes: Uint8Array) => Buffer.from(bytes).reverse();
  const dh = createDiffieHellman(bigEndian(bigintToBytes(group.p, group.elementBytes)), 2);
  const batch = randomElements(systemRng, group, OPERANDS);
  const bases = Array.from({ length: OPERANDS }, (_, i) => bigEndian(elementAt(group, batch, i)));
  return callContestant('node:crypto', (op, exponentBits) => {
    if (op !== 'pow' && op !== 'powFull') return undefined;
    const key = bigEndian(randomExponents(systemRng, 1, exponentBits / 8));
    // As long as the modulus, but below it.
    key[0] = (key[0]! & 0x3f) | 0x20;
    dh.setPrivateKey(key);
    const run = (count: number) => {
      for (let i = 0; i < count; i++) dh.computeSecret(bases[i % OPERANDS]!);
    };
    return { what: 'Diffie-Hellman computeSecret', run };
  });
}

function bigintCryptoUtils(group: Group): Contestant {
  const bases = toBigints(group, randomElements(systemRng, group, OPERANDS));
  return callContestant('bigint-crypto-utils', (op, exponentBits) => {
    if (op === 'invertBatch') {
      const run = (count: number) => {
        for (let i = 0; i < count; i++) modInv(bases[i % OPERANDS]!, group.p);
      };
      return { what: 'modInv', run };
    }
    if (op !== 'pow' && op !== 'powFull') return undefined;
    const top = 1n << BigInt(exponentBits - 1);
    const exponents = bases.map((base) => (base % top) + top);
    const run = (count: number) => {
      for (let i = 0; i < count; i++) modPow(bases[i % OPERANDS]!, exponents[(i + 1) % OPERANDS]!, group.p);
    };
    return { what: 'modPow', run };
  });
}

function gmpContestant(peer: GmpPeer): Contestant {
  const ways = (op: ComparedOperation) => {
    if (op === 'mul') return [['mulredc', 'mpn_mul_n + redc_n'] as const, ['mulmod', 'mpz_mul + mpz_mod'] as const];
    if (op === 'invertBatch') return [['invert', 'mpz_invert'] as const];
    return [['powm', 'mpz_powm'] as const, ['powm_sec', 'mpz_powm_sec'] as const];
  };
  return {
    name: 'GMP',
    enter: (op, exponentBits) =>
      ways(op).map(([name, what]) => {
        const sample = (count: number) => peer.measure(name, exponentBits, count);
        return { contestant: 'GMP', what, threads: 1, grain: 1, sample };
      }),
    close: async () => peer.close(),
  };
}

/** The bare product of the native library; it takes part in `mul` only. */
function bareContestant(bare: BareProduct): Contestant {
  const measures: readonly (readonly [BareMeasure, string])[] = [
    ['kernel', 'Montgomery products alone, nothing read or written between them'],
    ['call', `millrace_mul on ${bare.grain} elements in cache, one call after the other`],
  ];
  const entries = measures.map(([measure, what]) => ({
    contestant: `bare product, ${measure}`,
    what,
    threads: 1,
    grain: bare.grain,
    sample: async (count: number) => bare.sample(measure, count),
  }));
  return { name: 'bare product', enter: (op) => (op === 'mul' ? entries : []), close: async () => bare.close() };
}

/** Opens all contestants that can take part here; calls `absent` with the name and reason of each other. */
export async function openContestants(
  group: Group,
  threads: number,
  cores: number,
  absent: (line: string) => void,
): Promise<Contestant[]> {
  const found: Contestant[] = [];
  const openContestant = async (name: EngineName, workers: number, title: string) => {
    found.push(engineContestant(title, await openEngine({ engine: name, group, threads: workers })));
  };
  for (const { name, available, reason, kernel } of probeEngines(group)) {
    if (name === 'reference') continue;
    if (!available) absent(`${name}: ${reason}`);
    else {
      await openContestant(name, threads, name);
      if (name === 'cpu' && cores >= 2 * threads) await openContestant(name, 2 * threads, `cpu × ${2 * threads}`);
      if (name === 'cpu' && kernel === 'ifma') found.push(bareContestant(new BareProduct(group, kernel)));
    }
  }
  found.push(diffieHellman(group), bigintCryptoUtils(group));
  const gmp = await GmpPeer.open(group);
  if (typeof gmp === 'string') absent(`GMP: ${gmp}`);
  else found.push(gmpContestant(gmp));
  return found;
}
