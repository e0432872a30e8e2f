// The reference executor: the catalogue's BigInt functions, inline and synchronous. It returns promises like every
// executor, but all work is done when the call returns and nothing but microtasks is left: the seeded simulator depends
// on that. Slow, and never constant-time.
import { setImmediate } from 'node:timers/promises';
import { MixError } from '../../base/index.js';
import { batchOf, bytesToBigint, elementsOf, type Group } from '../../math/index.js';
import { catalogue } from '../catalogue.js';
import type { Executor, Request } from '../checked/request.js';

/** The integers of a flat buffer of exponents. */
export function exponentsOf(exponents: Uint8Array, exponentBytes: number): bigint[] {
  return Array.from({ length: exponents.length / exponentBytes }, (_, index) =>
    bytesToBigint(exponents.subarray(index * exponentBytes, (index + 1) * exponentBytes)),
  );
}

function compute(group: Group, request: Exclude<Request, { op: 'table' | 'prepare' }>): bigint[] {
  const read = (batch: Uint8Array) => elementsOf(group, batch);
  switch (request.op) {
    case 'mul':
      return catalogue.mul(group, read(request.a), read(request.b.data));
    case 'mulGather':
      return catalogue.mulGather(group, read(request.a), request.source, read(request.b.data), request.width);
    case 'invertBatch':
      return catalogue.invertBatch(group, read(request.a));
    case 'product':
      return catalogue.product(group, read(request.a), request.width);
    default:
      return computePower(group, request);
  }
}

function computePower(
  group: Group,
  request: Extract<Request, { op: 'powFixed' | 'powShared' | 'pow' | 'multiExp' }>,
): bigint[] {
  const exponents = exponentsOf(request.exponents, request.exponentBytes);
  switch (request.op) {
    case 'powFixed':
      return catalogue.powFixed(group, elementsOf(group, request.base.element)[0]!, exponents);
    case 'powShared':
      return catalogue.powShared(group, elementsOf(group, request.bases), exponents);
    case 'pow':
      return catalogue.pow(group, elementsOf(group, request.bases), exponents);
    case 'multiExp':
      return [catalogue.multiExp(group, elementsOf(group, request.bases), exponents)];
  }
}

export function referenceExecutor(group: Group): Executor {
  return {
    threads: 0,
    path: 'bigint',
    execute: (request) => {
      // A prepared operand is a plain copy, and a fixed base needs no table.
      if (request.op === 'prepare') request.out.set(request.a);
      else if (request.op !== 'table') request.out.set(batchOf(group, compute(group, request)));
      return Promise.resolve();
    },
    close: () => Promise.resolve(),
  };
}

/**
 * The same for a service: one operation after the other, and before each of them the event loop has its turn, so that a node which
 * computes on its main thread still hears its team between any two of them.
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
      // The caller hears of a failure; the next in turn only waits for the end.
      last = done.catch(() => {});
      return done;
    },
    close: async () => {
      await last;
      await executor.close();
    },
  };
}
