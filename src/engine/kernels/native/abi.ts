// Calls across the C ABI (kernels/api.h), made from the words in a function's entry in operations.ts: the prototype that koffi
// binds, and the numbers of one call. A word is an operand's name, `out`, or one of the numbers below.
import type { Group } from '../../../math/index.js';
import { type ComputeRequest, countPowers, countUnits, findOperand, type View } from '../../checked/request.js';
import type { NativeFunction } from '../../operations.js';
import type { NativeCall } from '../../pool/job.js';
import { type Address, toAddress } from '../openssl/library.js';

/** C types of numbers; every other word is a pointer, which is passed as a number, too. */
const TYPES: Readonly<Record<string, string>> = {
  units: 'size_t',
  from: 'size_t',
  to: 'size_t',
  width: 'size_t',
  slots: 'size_t',
  first: 'size_t',
  powers: 'size_t',
  times: 'size_t',
  exponentBytes: 'size_t',
  digitBits: 'uint32_t',
  prepared: 'int32_t',
};

/** Prototype in koffi's syntax. All functions of operations take the group first and return a status. */
export const writePrototype = ([name, ...args]: NativeFunction, returns = 'int32_t'): string =>
  `${returns} ${name}(${['uint64_t', ...args.map((word) => TYPES[word] ?? 'uint64_t')].join(', ')})`;

/** Makes the call of a function on a whole chunk. `more`: numbers for words that only the caller knows. */
export function nativeCall(
  group: Group,
  [name, ...args]: NativeFunction,
  chunk: ComputeRequest,
  more: Readonly<Record<string, number>> = {},
): NativeCall {
  const operands: Readonly<Record<string, View>> = chunk.operands;
  const toNumber = (word: string): number | Address => {
    const view = word === 'out' ? chunk.out : operands[word];
    return view ? toAddress(view) : (more[word] ?? numberOfChunk(group, word, chunk));
  };
  return { op: 'native', name, args: args.map(toNumber) };
}

function numberOfChunk(group: Group, word: string, chunk: ComputeRequest): number {
  switch (word) {
    case 'from':
      return 0;
    case 'units':
    case 'to':
      return countUnits(group, chunk);
    case 'width':
      return chunk.width;
    case 'exponentBytes':
      return chunk.exponentBytes;
    case 'prepared':
      return chunk.prepared ? 1 : 0;
    case 'powers':
      return countPowers(chunk);
    case 'slots':
      return (findOperand(chunk, 'gathered')?.byteLength ?? 0) / chunk.width / group.elementBytes;
    case 'blinding':
      // The worker makes it (kernel.ts).
      return 0;
    default:
      throw new Error(`no number for ${word}, an argument of ${chunk.op}`);
  }
}
