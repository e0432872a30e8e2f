// The catalogue's operations as calls of the CUDA library: which function, on which part of which batch. A call is cut so that
// a card works on it for some tens of milliseconds at most: long enough to fill it, short enough for realtime to overtake.
import type { Group } from '../../math/index.js';
import type { Request } from '../checked/request.js';
import { type Address, addressOf } from '../kernels/openssl/library.js';
import type { NativeCall } from '../pool/job.js';

/** Numbers that a card is given at a time: powers fill it from some 8,000 on, products wait for the bus. */
const POWERS_AT_A_TIME = 16_384;
const PRODUCTS_AT_A_TIME = 65_536;

/** Digits of a kept table: every power reads all 64 entries of a row, against one product. Wider ones are for a card to try. */
const TABLE_DIGIT_BITS = 6;

/** What a card keeps for a handle: its address there. */
export interface KeptOperand {
  readonly address: Address;
  /** Length of the exponents that a table is for; 0 for prepared operands. */
  readonly exponentBytes: number;
  /** Elements of the operand before the first one that is meant. */
  readonly first: number;
}

/** A request that computes: all but those that make a card keep something. */
export type DeviceRequest = Exclude<Request, { op: 'prepare' | 'table' }>;

const call = (name: NativeCall['name'], ...args: number[]): NativeCall => ({ op: 'native', name, args });

/** Evenly, in parts of at most `most`. */
function parts(count: number, most: number): readonly (readonly [from: number, to: number])[] {
  const pieces = Math.ceil(count / most);
  const at = (i: number) => Math.floor((count * i) / pieces);
  return Array.from({ length: pieces }, (_, i) => [at(i), at(i + 1)] as const);
}

/** Keeps a prepared operand; its address is written to the 8 bytes of `result`. */
export const keepPrepared = (group: Group, a: Uint8Array, result: Uint8Array): NativeCall =>
  call('millrace_keep_prepared', addressOf(a), a.length / group.elementBytes, addressOf(result));

/** Keeps the table of a base for exponents of a length. */
export const keepTable = (base: Uint8Array, exponentBytes: number, result: Uint8Array): NativeCall =>
  call('millrace_keep_table', addressOf(base), exponentBytes, TABLE_DIGIT_BITS, addressOf(result));

export const releaseKept = (address: Address): NativeCall => call('millrace_kept_release', address);

/**
 * The calls of a request, of which each computes a part of its result. Buffers are in shared memory. `kept`: the operand that
 * the card keeps, where it has one.
 */
export function deviceCalls(group: Group, request: DeviceRequest, kept: KeptOperand | undefined): NativeCall[] {
  const element = group.elementBytes;
  const at = (batch: Uint8Array, index: number): Address => addressOf(batch) + index * element;
  switch (request.op) {
    case 'mul': {
      const { a, b, out } = request;
      return parts(a.length / element, PRODUCTS_AT_A_TIME).map(([from, to]) =>
        kept
          ? call('millrace_mul_kept', at(out, from), at(a, from), kept.address, kept.first + from, to - from)
          : call('millrace_mul', at(out, from), at(a, from), at(b.data, from), 0, to - from),
      );
    }
    case 'mulGather': {
      const { a, b, out, width } = request;
      const slots = request.source.length;
      const source = addressOf(new Uint8Array(request.source.buffer, request.source.byteOffset, 4 * slots));
      return parts(slots, Math.max(1, Math.floor(PRODUCTS_AT_A_TIME / width))).map(([from, to]) => {
        const batches = [at(out, 0), at(a, 0), source] as const;
        if (!kept) return call('millrace_mul_gather', ...batches, at(b.data, 0), 0, width, from, to);
        return call('millrace_mul_gather_kept', ...batches, kept.address, kept.first, width, slots, from, to);
      });
    }
    case 'invertBatch': {
      const { a, out } = request;
      const ranges = parts(a.length / element, PRODUCTS_AT_A_TIME);
      return ranges.map(([from, to]) => call('millrace_invert', at(out, from), at(a, from), to - from));
    }
    case 'product': {
      const { a, width, out } = request;
      return [call('millrace_product', at(out, 0), at(a, 0), width, a.length / element / width)];
    }
    default:
      return powerCalls(group, request, kept);
  }
}

function powerCalls(
  group: Group,
  request: Extract<DeviceRequest, { op: 'pow' | 'powShared' | 'powFixed' | 'multiExp' }>,
  kept: KeptOperand | undefined,
): NativeCall[] {
  const element = group.elementBytes;
  const { exponents, exponentBytes: bytes, out } = request;
  const at = (batch: Uint8Array, index: number): Address => addressOf(batch) + index * element;
  const exponentAt = (index: number): Address => addressOf(exponents) + index * bytes;
  const count = exponents.length / bytes;
  switch (request.op) {
    case 'pow':
      return parts(count, POWERS_AT_A_TIME).map(([from, to]) =>
        call('millrace_pow', at(out, from), at(request.bases, from), exponentAt(from), bytes, to - from),
      );
    case 'powShared': {
      const bases = request.bases.length / element;
      return parts(bases, Math.max(1, Math.floor(POWERS_AT_A_TIME / count))).map(([from, to]) => {
        const batches = [at(out, from * count), at(request.bases, from), exponentAt(0)] as const;
        return call('millrace_pow_shared', ...batches, bytes, count, to - from);
      });
    }
    case 'powFixed':
      if (!kept) throw new Error('a card raises a fixed base by the table that it keeps');
      return parts(count, PRODUCTS_AT_A_TIME).map(([from, to]) =>
        call('millrace_pow_fixed_kept', at(out, from), kept.address, exponentAt(from), to - from),
      );
    default:
      return [call('millrace_multi_exp', at(out, 0), at(request.bases, 0), exponentAt(0), bytes, count)];
  }
}
