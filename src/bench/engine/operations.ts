// One operation of an engine, ready to be measured: operands are drawn, prepared and tabled before the clock starts. The
// measurement covers the public interface with all costs of a node: checks, cutting into chunks, the way to a worker and back.
import { systemRng } from '../../base/index.js';
import { randomPermutation } from '../../cmix/index.js';
import { type Engine, findOperation, type OperandKind, type OperationName } from '../../engine/index.js';
import { randomElements, randomExponents } from '../../math/index.js';

/**
 * Batches of a queued operation in flight, regardless of the number of workers: at least one that computes and four that wait;
 * more of short ones, as many as take IN_FLIGHT_MS in sequence.
 */
const IN_FLIGHT_MIN = 5;
const IN_FLIGHT_MAX = 48;
const IN_FLIGHT_MS = 25;
/** Long enough to hide the filling of the queue at the start and its draining at the end: each takes about a batch. */
const QUEUED_MS = 200;
/** Operations so short that a single batch would measure its hand-over. */
export const QUEUED: readonly OperationName[] = ['mul', 'mulGather', 'invertBatch', 'product'];

interface OperationShape {
  readonly exponentBits: number;
  readonly batch: number;
}

/** An operation with its operands. */
export interface ReadyOperation {
  /** Runs a sample: microseconds per operation (an element, a power, a base). */
  sample(): Promise<number>;
  /** Runs one batch by itself: milliseconds. */
  once(): Promise<number>;
  /** Releases the engine's handles. */
  release(): void;
}

/** Draws operands for `op` and returns its measurement functions. */
export async function readyOperation(
  engine: Engine,
  op: OperationName,
  { exponentBits, batch }: OperationShape,
): Promise<ReadyOperation> {
  const { call, release } = await operands(engine, op, { exponentBits, batch });
  const outs = [engine.allocate(outputCount(op, batch))];
  /** Runs this many batches, as many in flight as there are result buffers: milliseconds. */
  const run = async (batches: number): Promise<number> => {
    let started = 0;
    const lane = async (out: Uint8Array) => {
      while (started < batches) {
        started++;
        await call(out);
      }
    };
    const start = process.hrtime.bigint();
    await Promise.all(outs.map(lane));
    return Number(process.hrtime.bigint() - start) / 1e6;
  };
  let batches = 1;
  /** Sets the number of batches in flight, and in all. */
  const settle = async () => {
    await run(2);
    const batchMs = (await run(3)) / 3;
    const lanes = Math.min(IN_FLIGHT_MAX, Math.max(IN_FLIGHT_MIN, Math.ceil(IN_FLIGHT_MS / batchMs)));
    while (outs.length < lanes) outs.push(engine.allocate(outputCount(op, batch)));
    batches = 2 * lanes;
    batches = Math.max(batches, Math.ceil((QUEUED_MS / (await run(batches))) * batches));
  };
  let settled = QUEUED.includes(op) ? undefined : Promise.resolve();
  return {
    release,
    once: () => run(1),
    async sample() {
      settled ??= settle();
      await settled;
      return ((await run(batches)) * 1000) / (batches * batch);
    },
  };
}

const outputCount = (op: OperationName, batch: number): number => (findOperation(op).folds ? 1 : batch);

interface Operands {
  readonly call: (out: Uint8Array) => Promise<Uint8Array>;
  readonly release: () => void;
}

/** Draws each operand by its kind: one element per slot, a prepared multiplier, the table of a base, one shared exponent. */
async function operands(engine: Engine, op: OperationName, { batch, exponentBits }: OperationShape): Promise<Operands> {
  const { group } = engine;
  const exponentBytes = exponentBits / 8;
  const handles: { release(): void }[] = [];
  const held = <H extends { release(): void }>(handle: H): H => {
    handles.push(handle);
    return handle;
  };
  const draw = async (kind: OperandKind): Promise<unknown> => {
    switch (kind) {
      case 'elements':
      case 'gathered':
        return randomElements(systemRng, group, batch);
      case 'multiplier':
        return held(await engine.prepare(randomElements(systemRng, group, batch)));
      case 'permutation':
        return randomPermutation(systemRng, batch);
      case 'exponents':
        return randomExponents(systemRng, batch, exponentBytes);
      case 'sharedExponents':
        return randomExponents(systemRng, 1, exponentBytes);
      case 'base':
        return held(await engine.fixedBase(randomElements(systemRng, group, 1)));
      case 'width':
        return undefined;
    }
  };
  const operation = findOperation(op);
  const given: Record<string, unknown> = {};
  for (const [name, kind] of Object.entries(operation.operands)) given[name] = await draw(kind);
  return {
    call: (out) => operation.call(engine, given, { exponentBytes, out }),
    release: () => {
      for (const handle of handles) handle.release();
    },
  };
}
