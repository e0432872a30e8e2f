// The engine that protocol tests compute with: the reference, inline and without threads.
import type { Engine } from '../../src/engine/engine.js';
import { EngineFront } from '../../src/engine/front.js';
import { referenceExecutor } from '../../src/engine/reference.js';
import type { Group } from '../../src/math/group.js';

export function referenceEngine(group: Group): Engine {
  return new EngineFront('reference', group, referenceExecutor(group));
}
