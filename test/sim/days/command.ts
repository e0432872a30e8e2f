// npm run sim -- --days N: weeks of virtual time, and the sizes of all containers in them.
import { playDays } from './play.js';

/** Two days are the least that can be compared. */
export const DAYS_MIN = 2;
const SHOWN = 10;

/** Returns the exit code: 0, or 1 if a container grows or a rotation was missed. */
export async function playAllDays(days: number, seed: string, json: boolean): Promise<number> {
  const startMs = performance.now();
  const result = await playDays(days, seed, days > DAYS_MIN);
  const { violations, sizes, earlyDay, entries, epochs, ends, tally } = result;
  const seconds = (performance.now() - startMs) / 1000;
  const width = Math.max(...sizes.map(({ name }) => name.length));
  console.log(`${'entries'.padEnd(width)} ${`day ${earlyDay}`.padStart(8)} ${`day ${days}`.padStart(8)}`);
  for (const { name, before, after } of sizes.slice(0, SHOWN)) {
    console.log(`${name.padEnd(width)} ${String(before.total).padStart(8)} ${String(after.total).padStart(8)}`);
  }
  for (const { day, maps, sets } of entries)
    console.log(`day ${day}: ${maps} entries of maps and ${sets} of sets in the heap`);
  for (const violation of violations.slice(0, 2 * SHOWN)) console.log(`  ${violation}`);
  const ok = violations.length === 0;
  const { schedulers, restarts, visitors, certificates, handshakes } = tally;
  console.log(
    `${days} days in ${seconds.toFixed(1)} s: rounds ${ends.completed} completed, ` +
      `${ends.failed} failed; ${schedulers} runs of the scheduler, ${restarts} restarts of nodes, ${epochs.join(' ')} key epochs, ` +
      `${certificates} certificates renewed, ${visitors} visitors by a code, ${handshakes} handshakes; ` +
      `${ok ? 'nothing grows, no rotation is missed' : 'FAILED'}`,
  );
  if (json)
    console.log(
      JSON.stringify({ ok, days, seed, seconds, ...ends, ...tally, epochs, earlyDay, entries, sizes, violations }),
    );
  return ok ? 0 : 1;
}
