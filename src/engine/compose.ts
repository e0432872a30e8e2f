// Operations by way of others, for executors that have no code of their own for them. A file of its own, because requests are made of the
// table of operations.
import { MixError } from '../base/index.js';
import type { ComputeRequest } from './checked/request.js';

/** What an executor lends to a composition. */
interface Composer {
  /** Computes a part of it. */
  readonly run: (request: ComputeRequest) => Promise<void>;
  /** Memory that is wiped at the end. */
  readonly scratch: (bytes: number) => Uint8Array;
}

/** Computes from other operations what an executor has no code of its own for. */
export async function compose(request: ComputeRequest, { run, scratch }: Composer): Promise<void> {
  switch (request.op) {
    case 'multiExp': {
      const { bases, exponents } = request.operands;
      const powers = scratch(bases.length);
      await run({ ...request, op: 'pow', operands: { bases, exponents }, out: powers });
      await run({ ...request, op: 'product', operands: { a: powers } });
      break;
    }
    default:
      throw new MixError('INTERNAL', { message: `nothing computes ${request.op} here` });
  }
}
