// `npm run sim -- --network`: plays networks one after the other and prints their figures. Exit code 0, 2 for a wrong option: a
// missed target is printed, and does not fail the command.
import { writeFileSync } from 'node:fs';
import { playAlone, type Setting } from './measure.js';
import { type NetworkCommand, networkCommand, readNetworkOptions } from './options.js';
import { networkPlot } from './plot.js';
import { tableOf, targetsOf } from './report.js';
import { type Row, rowOf } from './rows.js';

/** One round alone on shared cores, as `millrace demo --json` reports it. */
function onOneMachine(setting: Setting, cores: number) {
  const team = Array.from({ length: setting.teamSize }, (_, at) => at);
  const { spans, precomputeMs, realtimeMs } = playAlone(setting, team, setting.pricing.withTransport(), cores);
  const phaseMs = Object.fromEntries(
    [...spans].map(([name, { startMs, endMs }]) => [name, Math.round(endMs - startMs)]),
  );
  return { phaseMs, precomputeMs: Math.round(precomputeMs), realtimeMs: Math.round(realtimeMs) };
}

export function playNetworks(args: readonly string[]): number {
  let command: NetworkCommand;
  try {
    command = readNetworkOptions(args);
  } catch (error) {
    console.error(`${(error as Error).message}\n\n${networkCommand().helpInformation()}`);
    return 2;
  }
  const { settings, json, plot, latency, sharedCores } = command;
  if (sharedCores !== undefined) {
    const phases = onOneMachine(settings[0]!, sharedCores);
    console.log(json ? JSON.stringify(phases) : phases);
    return 0;
  }
  const rows: Row[] = [];
  for (const setting of settings) {
    rows.push(rowOf(setting));
    console.log(targetsOf(rows.at(-1)!).join('\n'));
  }
  console.log(`\n${tableOf(rows)}`);
  const [{ teamSize, mbitPerS, load, slots }] = settings as [(typeof settings)[0]];
  const about = `teams of ${teamSize} · ${slots} slots · ${latency} ms links of ${mbitPerS} Mbit/s · load ${load}`;
  if (plot !== undefined) writeFileSync(plot, networkPlot(rows, about));
  if (json) console.log(JSON.stringify(rows.length > 1 ? { ...rows[0], rows } : rows[0]));
  return 0;
}
