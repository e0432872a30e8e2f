// Concurrent rounds of a node share one engine: work of an older round goes first, so that the older round is ready first.
import { expect, it } from 'vitest';
import type { Priority, WorkOptions } from '../../src/engine/engine.js';
import { referenceEngine } from '../../src/engine/open.js';
import { OPERATIONS } from '../../src/engine/operations.js';
import { namedGroup } from '../../src/math/group.js';
import { SimTeam } from '../sim/team.js';

it('most work of a round carries the round’s place in the queue, at both priorities', async () => {
  const seen = new Map<Priority, Set<number | undefined>>();
  const engine = referenceEngine(namedGroup('TEST-512'));
  const note = (options: WorkOptions | undefined) => {
    if (!options?.priority) return;
    seen.set(options.priority, (seen.get(options.priority) ?? new Set()).add(options.order));
  };
  const recorded = new Proxy(engine, {
    get(target, name) {
      const value = Reflect.get(target, name, target);
      if (typeof value !== 'function') return value;
      const counted = [...OPERATIONS, 'prepare', 'fixedBase'] as readonly (string | symbol)[];
      return (...args: unknown[]) => {
        if (counted.includes(name)) note(args.at(-1) as WorkOptions);
        return Reflect.apply(value, target, args);
      };
    },
  });
  const remake = (index: number) => (index === 0 ? { engineOf: async () => recorded } : {});
  const team = await new SimTeam({ seed: 'order', nodes: 3, remake }).start();
  const infos = [await team.open(), await team.open()];
  for (const info of infos) await team.standby(info);
  const [first] = infos;
  for (const submission of await team.compose(first!, ['a', 'b', 'c']))
    team.first(first!).manager.submit(first!.round, submission);
  expect(await team.until(() => team.everyAlive((node) => team.stage(node, first!.round) === 'COMPLETED'))).toBe(true);
  expect(seen.get('precompute')).toEqual(new Set([1, 2]));
  expect(seen.get('realtime')).toEqual(new Set([1]));
  team.close();
});
