// Is a card right? One unit of a result, chosen at random, is computed again on the CPU; of an operation whose result is one slot,
// all of it. A card with a broken memory or a driver's bug is found after a few results, not after a lost round.
import type { Group } from '../../math/index.js';
import { findEntry } from '../operations.js';
import { type ComputeRequest, countUnits, type ExecuteOptions, type Executor, takePart } from './request.js';

/** True where the chosen unit of `request.out` is what `cpu` makes of the same inputs. */
export async function isRight(
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
