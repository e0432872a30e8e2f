// Finds the number of elements from which on a card is faster than the CPU. Both are timed at the start on two sizes, which gives
// each a fixed cost and a cost per element; the card takes over at the crossing of the two lines. Products have their own
// crossing: their transfer over the bus takes longer than the computation. Apart from executor.ts, which needs only the result;
// library.ts measures.
import type { Clock } from '../../base/index.js';
import { type EntryName, raisesPowers } from '../operations.js';

type OperationClass = 'products' | 'powers';

/** Elements from which on the card is used, by class. Infinity: never. */
export type Crossover = Readonly<Record<OperationClass, number>>;

export const operationClass = (op: EntryName): OperationClass => (raisesPowers(op) ? 'powers' : 'products');

/** The two competitors: each computes a number of elements. */
interface Contest {
  readonly sizes: readonly [small: number, large: number];
  onDevice(elements: number): Promise<void>;
  onCpu(elements: number): Promise<void>;
}

/** Repetitions; the fastest counts. */
const REPEAT = 3;

/** Measures the number of elements from which on the card is faster. */
export async function crossing(clock: Clock, { sizes, onDevice, onCpu }: Contest): Promise<number> {
  const [small, large] = sizes;
  const device = [await fastestMs(clock, onDevice, small), await fastestMs(clock, onDevice, large)] as const;
  const cpu = [await fastestMs(clock, onCpu, small), await fastestMs(clock, onCpu, large)] as const;
  return findCrossing(sizes, device, cpu);
}

/** Computes the crossing from measured times. Exported for tests. */
export function findCrossing(
  [small, large]: readonly [number, number],
  device: readonly [number, number],
  cpu: readonly [number, number],
): number {
  const line = ([atSmall, atLarge]: readonly [number, number]) => {
    const each = Math.max(0, (atLarge - atSmall) / (large - small));
    return { each, fixed: Math.max(0, atSmall - each * small) };
  };
  const [d, c] = [line(device), line(cpu)];
  // The card is never cheaper per element: use it only if it is faster at both sizes.
  if (d.each >= c.each) return device[0] < cpu[0] && device[1] < cpu[1] ? 1 : Infinity;
  return Math.max(1, Math.ceil((d.fixed - c.fixed) / (c.each - d.each)));
}

async function fastestMs(clock: Clock, run: (elements: number) => Promise<void>, elements: number): Promise<number> {
  let fastest = Infinity;
  for (let i = 0; i < REPEAT; i++) {
    const start = clock.nowMs();
    await run(elements);
    fastest = Math.min(fastest, clock.nowMs() - start);
  }
  return fastest;
}
