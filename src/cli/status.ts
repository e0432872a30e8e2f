// `millrace status`: the status of a node or a scheduler over HTTP, readable, once or again and again.
import { Command } from 'commander';
import { z } from 'zod';
import { MixError } from '../base/index.js';
import { alignedLines } from './common/table.js';

const PERIOD_MS = 1_000;
const TIMEOUT_MS = 3_000;

const HELP = `
Asks the HTTP address of a node (7413 by default) or of a scheduler (7409).

Examples:
  millrace status
  millrace status --http 127.0.0.1:7409 --watch`;

interface StatusOptions {
  readonly http: string;
  readonly watch: boolean;
  readonly json: boolean;
}

export function statusCommand(): Command {
  return new Command('status')
    .description('show a running node or scheduler')
    .option('--http <host:port>', 'its HTTP address', '127.0.0.1:7413')
    .option('--watch', 'repeat every second, until Ctrl+C', false)
    .option('--json', 'print the answer unchanged, as JSON', false)
    .addHelpText('after', HELP)
    .action(status);
}

const nodeStatus = z.object({
  node: z.string(),
  network: z.string(),
  engine: z.object({ name: z.string(), path: z.string() }),
  scheduler: z.object({ connected: z.boolean() }),
  rounds: z.array(z.object({ round: z.number(), stage: z.string() })),
  links: z.array(z.object({ peer: z.string(), state: z.string() })),
});

const schedulerStatus = z.object({
  network: z.string(),
  nodes: z.array(
    z.object({
      node: z.string(),
      status: z.string(),
      stages: z.record(z.string(), z.number()),
      // Since 1.1, as all optional fields here.
      engine: z.string().optional(),
      busyShare: z.number().optional(),
      roundTripMs: z.number().nullish(),
      blamed: z.number().optional(),
    }),
  ),
  stock: z.number(),
  stockTarget: z.number(),
  precomputing: z.number(),
  realtime: z.number(),
  completed: z.number(),
  failed: z.number(),
  waited: z.number(),
  roundsPerMinute: z.number().optional(),
  overlapShare: z.number().nullish(),
});

async function status({ http, watch, json }: StatusOptions): Promise<void> {
  for (;;) {
    const answer = await ask(http);
    const text = json ? JSON.stringify(answer) : statusText(answer);
    // On a terminal the last one is written over.
    process.stdout.write(watch && process.stdout.isTTY ? `\x1b[2J\x1b[H${text}\n` : `${text}\n`);
    if (!watch) return;
    await new Promise((resolve) => setTimeout(resolve, PERIOD_MS));
  }
}

async function ask(http: string): Promise<unknown> {
  try {
    const response = await fetch(`http://${http}/status`, { signal: AbortSignal.timeout(TIMEOUT_MS) });
    return await response.json();
  } catch (cause) {
    const reason = (cause as Error).cause ?? cause;
    throw new MixError('LINK_DOWN', { address: http, reason: (reason as Error).message }, { cause });
  }
}

/** Formats the `/status` of a node or a scheduler for a reader. @throws MixError MESSAGE_MALFORMED if it is neither's */
export function statusText(answer: unknown): string {
  const scheduler = schedulerStatus.safeParse(answer);
  if (scheduler.success) return schedulerText(scheduler.data);
  const node = nodeStatus.safeParse(answer);
  if (node.success) return nodeText(node.data);
  throw new MixError('MESSAGE_MALFORMED', { what: 'status' });
}

function counted(values: readonly string[]): string {
  const counts = new Map<string, number>();
  for (const value of values) counts.set(value, (counts.get(value) ?? 0) + 1);
  return [...counts].map(([value, count]) => `${count} ${value}`).join(', ');
}

function nodeText({ node, network, engine, scheduler, rounds, links }: z.infer<typeof nodeStatus>): string {
  const up = links.filter(({ state }) => state === 'up').length;
  return [
    `node ${node} of ${network}`,
    `engine     ${engine.name} (${engine.path})`,
    `scheduler  ${scheduler.connected ? 'connected' : 'away'}`,
    `rounds     ${counted(rounds.map(({ stage }) => stage)) || 'none'}`,
    `links      ${up} of ${links.length} up`,
  ].join('\n');
}

type SchedulerStatus = z.infer<typeof schedulerStatus>;

const percent = (share: number | null | undefined): string =>
  share === null || share === undefined ? '–' : `${Math.round(100 * share)} %`;

function schedulerText(view: SchedulerStatus): string {
  const { network, nodes, stock, stockTarget, precomputing, realtime, completed, failed, waited } = view;
  const { roundsPerMinute, overlapShare } = view;
  const pace = roundsPerMinute === undefined ? '–' : roundsPerMinute.toFixed(1);
  return [
    `scheduler of ${network}`,
    `rounds     ${completed} completed, ${failed} failed, ${precomputing} precomputing, ${realtime} in realtime`,
    `stock      ${stock} ready of ${stockTarget}; waited for ${waited} times`,
    `pace       ${pace} rounds a minute; of the time in realtime another one was precomputed in ${percent(overlapShare)}`,
    ...nodeTable(nodes).map((line) => `  ${line}`),
  ].join('\n');
}

function nodeTable(nodes: SchedulerStatus['nodes']): string[] {
  const rows = nodes.map(({ node, status: state, engine, busyShare, roundTripMs, blamed, stages }) => [
    node,
    state,
    engine || '–',
    percent(busyShare),
    typeof roundTripMs === 'number' ? `${roundTripMs.toFixed(1)} ms` : '–',
    String(blamed ?? '–'),
    Object.entries(stages)
      .map(([stage, count]) => `${count} ${stage}`)
      .join(', ') || 'idle',
  ]);
  const header = ['node', 'status', 'engine', 'busy', 'round trip', 'blamed', 'rounds'];
  return alignedLines([header, ...rows], (column) => column >= 3 && column <= 5);
}
