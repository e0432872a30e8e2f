// Messages to a worker: chunks of an operation. All buffers are in shared memory and aligned to 8 bytes, so that nothing is
// copied and native code may read them as words. A chunk of an operation is a request on some of its units; workers write
// disjoint parts of one result.
import type { Group, GroupName } from '../../math/index.js';
import type { ComputeRequest } from '../checked/request.js';

/**
 * The arithmetic of a worker.
 * - ifma, portable: the native library's paths.
 * - words: OpenSSL's BN_mod_exp_mont_consttime, and its word-level Montgomery product bn_mul_mont on shared memory.
 * - bignum: the same through OpenSSL's public functions only (BN_mod_mul_montgomery).
 * - dh: powers by node:crypto's Diffie-Hellman, the rest BigInt.
 * - bigint: BigInt only.
 */
export type KernelName = 'ifma' | 'portable' | 'words' | 'bignum' | 'dh' | 'bigint';

interface Range {
  readonly from: number;
  readonly to: number;
}

export type Work =
  | ComputeRequest
  /** Fills windows of the table of a base, at least two; those before `from` are filled. Native kernels fill all at once. */
  | ({ readonly op: 'table'; readonly base: Uint8Array; readonly table: Uint8Array } & Range)
  /**
   * Prepared bases; out: one element in the kernel's form, ∏ bases[i]^(`windowBits` bits of exponents[i] from bit
   * `lowBit` on).
   */
  | ({
      readonly op: 'window';
      readonly bases: Uint8Array;
      readonly exponents: Uint8Array;
      readonly exponentBytes: number;
      readonly lowBit: number;
      readonly windowBits: number;
      readonly out: Uint8Array;
    } & Range)
  /** Combines windows: parts[window · ranges + range] in the kernel's form, lowest window first; out: one element. */
  | {
      readonly op: 'horner';
      readonly parts: Uint8Array;
      readonly ranges: number;
      readonly windowBits: number;
      readonly out: Uint8Array;
    };

/** A device of a library behind kernels/api.h: computes native calls only. */
export interface DeviceAddress {
  readonly library: string;
  readonly index: number;
}

/** A chunk as a call of the native library: a function that takes a group, and its other arguments. Pointers are numbers. */
export interface NativeCall {
  readonly op: 'native';
  readonly name: string;
  readonly args: readonly number[];
}

type WorkOperation = Work['op'];
export type WorkOf<O extends WorkOperation> = Extract<Work, { op: O }>;

export type Job =
  /** Chunks, one after the other. */
  | {
      readonly kind: 'work';
      readonly kernel: KernelName | DeviceAddress;
      readonly group: GroupName;
      readonly works: readonly (Work | NativeCall)[];
    }
  /** Frees a worker's kernels. Every worker waits until `count` of them have arrived, so each one gets one such job. */
  | { readonly kind: 'dispose'; readonly arrived: Int32Array; readonly count: number };

/**
 * A worker's answer: for each chunk the error's message, or undefined. A chunk that throws is reported, so that a rejected task
 * can only mean a dead worker.
 */
export type JobResult = readonly (string | undefined)[];

/** Computes chunks in one group, in one thread. Only native kernels take native calls. */
export interface Kernel {
  run(work: Work | NativeCall): void;
  /** Wipes and frees native memory. */
  dispose(): void;
}

export type KernelFactory = (group: Group) => Kernel;
