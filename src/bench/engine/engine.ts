// `millrace bench engine`: the cost of one engine's operations on this machine, through its public interface.
// Apart from bare.ts, which measures below that interface.
import { type Engine, type OperationName, openEngine } from '../../engine/index.js';
import type { BenchOptions, BenchShape } from '../options.js';
import { type Spread, takeSpread } from '../stats.js';
import { readyOperation } from './operations.js';

/** One measured operation, as scripts read it: the names are fixed. */
export interface EngineFigure {
  readonly engine: string;
  readonly op: OperationName;
  readonly bits: number;
  readonly exponentBits: number;
  readonly batch: number;
  readonly threads: number;
  readonly usPerOp: Spread;
  readonly path: string;
}

/** Measures one operation, after a warm-up that is not counted. */
async function measureOperation(engine: Engine, op: OperationName, shape: BenchShape): Promise<EngineFigure> {
  const { exponentBits, batch, repeat, group } = shape;
  const ready = await readyOperation(engine, op, { exponentBits, batch });
  try {
    await ready.sample();
    const samples: number[] = [];
    for (let i = 0; i < repeat; i++) samples.push(await ready.sample());
    const { name, threads, path } = engine;
    return { engine: name, op, bits: group.bits, exponentBits, batch, threads, usPerOp: takeSpread(samples), path };
  } finally {
    ready.release();
  }
}

/**
 * Opens the engine and measures one operation after the other; calls `onFigure` after each.
 * @throws MixError ENGINE_UNAVAILABLE, ENGINE_SELFCHECK
 */
export async function benchEngine(
  options: BenchOptions,
  onFigure: (figure: EngineFigure) => void,
): Promise<EngineFigure[]> {
  const { engine: name, group, threads, operations } = options;
  const engine = await openEngine({ engine: name, group, threads });
  try {
    const figures: EngineFigure[] = [];
    for (const op of operations) {
      const figure = await measureOperation(engine, op, options);
      onFigure(figure);
      figures.push(figure);
    }
    return figures;
  } finally {
    await engine.close();
  }
}
