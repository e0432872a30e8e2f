// Spot check of a card: one random unit of a result is computed again on the CPU; all of it if the operation folds to one slot.
// So a card with broken memory or a driver's bug is found after a few results, not after a lost round. Apart from selfCheck.ts, which runs
// once at the start, because the card's executor checks by it.
import type { Group } from '../../math/index.js';
import { findEntry } from '../operations.js';
import { type ComputeRequest, countUnits, type ExecuteOptions, type Executor, takePart } from './request.js';

/** Returns true if `cpu` computes the same for the chosen unit of `request.out`. */
export async function passesSpotCheck(
  group: Group,
  cpu: Executor,
  request: ComputeRequest,
  options: ExecuteOptions,
  random: () => number,
): Promise<boolean> {
  if (request.out.length === 0) return true;
  const unit = Math.floor(random() * countUnits(group, request));
  const checked = findEntry(request.op).folds ? request : takePart(group, request, unit, unit + 1);
  const expected = new Uint8Array(new SharedArrayBuffer(checked.out.length));
  await cpu.execute({ ...checked, out: expected }, options);
  return Buffer.compare(expected, checked.out) === 0;
}
