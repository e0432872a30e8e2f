// Operations composed of others, for executors that have no code of their own for them. Apart from operations.ts because
// request.ts imports that.
import { MixError } from '../base/index.js';
import type { ComputeRequest } from './checked/request.js';

/** An executor's services to a composition. */
interface Composer {
  /** Computes a part of the composition. */
  readonly run: (request: ComputeRequest) => Promise<void>;
  /** Allocates memory that is wiped at the end. */
  readonly scratch: (bytes: number) => Uint8Array;
}

/** Computes an operation by others. */
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
