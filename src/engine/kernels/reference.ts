// The reference executor: the formulas of operations.ts on BigInt, inline and synchronous. It returns promises like every
// executor, but the work is done when the call returns and only microtasks remain: the seeded simulator depends on that. Slow,
// and never constant-time.
import { setImmediate } from 'node:timers/promises';
import { MixError } from '../../base/index.js';
import { bytesToBigint, type Group, readElement, toBigints, writeElement } from '../../math/index.js';
import { type ComputeRequest, type Executor, findOperand, type View } from '../checked/request.js';
import { findEntry, type OperandKind, type OperandValue } from '../operations.js';

/** Reads the integers of a flat buffer of exponents. */
export function readExponents(exponents: Uint8Array, exponentBytes: number): bigint[] {
  return Array.from({ length: exponents.length / exponentBytes }, (_, index) =>
    bytesToBigint(exponents.subarray(index * exponentBytes, (index + 1) * exponentBytes)),
  );
}

/** Computes a request, or a chunk of one, by its formula. */
export function computeByFormula(group: Group, request: ComputeRequest): void {
  const { op, out } = request;
  const values: Record<string, OperandValue> = { width: request.width };
  const kinds = findEntry(op).operands;
  for (const [name, view] of Object.entries<View>(request.operands)) {
    values[name] = operandValue(group, request, kinds[name], view);
  }
  for (const [index, value] of findEntry(op).reference(group, values).entries()) writeElement(group, out, index, value);
}

function operandValue(group: Group, request: ComputeRequest, kind: OperandKind | undefined, view: View): OperandValue {
  if (view instanceof Uint32Array) return view;
  switch (kind) {
    case 'base':
      return readElement(group, view, 0);
    case 'exponents':
    case 'sharedExponents':
      return readExponents(view, request.exponentBytes);
    case 'gathered':
      return readGathered(group, request, view);
    default:
      return toBigints(group, view);
  }
}

/** Reads only the gathered slots that the chunk uses; the others stay empty. */
function readGathered(group: Group, request: ComputeRequest, view: Uint8Array): bigint[] {
  const { width } = request;
  const values: bigint[] = [];
  for (const slot of findOperand(request, 'permutation') ?? []) {
    for (let i = slot * width; i < (slot + 1) * width; i++) values[i] = readElement(group, view, i);
  }
  return values;
}

export function referenceExecutor(group: Group): Executor {
  return {
    threads: 0,
    path: 'bigint',
    execute: (request) => {
      // A prepared operand is a plain copy; a fixed base needs no table.
      if (request.op === 'prepare') request.out.set(request.operands.elements);
      else if (request.op !== 'table') computeByFormula(group, request);
      return Promise.resolve();
    },
    close: () => Promise.resolve(),
  };
}

/**
 * The same for a service: one operation after the other, and a turn of the event loop before each, so that a node that computes
 * on its main thread still serves its connections between any two.
 */
export function yieldingExecutor(group: Group): Executor {
  const executor = referenceExecutor(group);
  let last: Promise<void> = Promise.resolve();
  return {
    threads: executor.threads,
    path: executor.path,
    execute: (request, options) => {
      const turn = last.then(() => setImmediate());
      const done = turn.then(() => {
        if (options.signal?.aborted) throw new MixError('ABORTED');
        return executor.execute(request, options);
      });
      // The caller gets the failure; the next operation only waits for the end.
      last = done.catch(() => {});
      return done;
    },
    close: async () => {
      await last;
      await executor.close();
    },
  };
}
