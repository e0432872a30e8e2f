// Plays seeds of the scheduler's simulation, stops at the first that breaks an invariant, and prints the command that replays it;
// at the end it prints the number of times that each fault and each transition of a round has happened, and those that have not.
import { type Coverage, count, TRANSITIONS, UNHEARD } from './invariants.js';
import { LIE_NAMES } from './liars.js';
import { FAULTS, scenarioOf } from './scenario.js';
import { SchedulerSim } from './world.js';

const TRIED: readonly string[] = [...TRANSITIONS, UNHEARD, ...FAULTS];
/** Also played one by one (liarRun.ts). */
const TOLD: readonly string[] = LIE_NAMES.map((name) => `lie: ${name}`);

/** The faults and transitions that a set of seeds has missed. */
export const missing = (coverage: Coverage): string[] => TRIED.filter((what) => !coverage.get(what));

/** Returns the exit code: 0, or 1 if an invariant broke. */
export async function playScheduler(seeds: readonly string[], single: boolean, json: boolean): Promise<number> {
  const startMs = performance.now();
  const total = { completed: 0, failed: 0, restarts: 0, deaths: 0 };
  const coverage: Coverage = new Map();
  let played = 0;
  let broken: string | undefined;
  for (const seed of seeds) {
    const scenario = scenarioOf(seed);
    const result = await new SchedulerSim(scenario).play();
    played++;
    for (const key of ['completed', 'failed', 'restarts', 'deaths'] as const) total[key] += result[key];
    for (const [what, times] of result.coverage) count(coverage, what, times);
    if (single) console.log(`seed ${seed}: ${JSON.stringify({ ...scenario, faults: [...scenario.faults] })}`);
    if (result.violations.length === 0) continue;
    broken = seed;
    console.log(`\nseed ${seed} breaks an invariant`);
    for (const violation of result.violations.slice(0, 20)) console.log(`  ${violation}`);
    console.log(`  replay: npm run sim -- --scheduler --seed ${seed}`);
    break;
  }
  const seconds = (performance.now() - startMs) / 1000;
  for (const what of [...TRIED, ...TOLD]) console.log(`  ${what}: ${coverage.get(what) ?? 0}`);
  const { completed, failed, restarts, deaths } = total;
  const untried = missing(coverage);
  const verdict = broken === undefined ? 'all invariants hold' : 'FAILED';
  const rounds = `rounds ${completed} completed, ${failed} failed; ${deaths} deaths of nodes, ${restarts} of schedulers`;
  console.log(
    `${played} seeds in ${seconds.toFixed(1)} s: ${rounds}; ${untried.length} faults or transitions untried; ${verdict}`,
  );
  if (json) {
    const counts = Object.fromEntries(coverage);
    const ok = broken === undefined;
    console.log(
      JSON.stringify({ ok, seeds: played, seconds, ...total, untried, coverage: counts, failure: broken ?? null }),
    );
  }
  return broken === undefined ? 0 : 1;
}
