// `millrace demo`, which is `npm start`: a real network on this machine mixes real messages. Exits 0 only if every message
// came out exactly once.
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { Command } from 'commander';
import { asMixError, MixError } from '../../base/errors.js';
import { createLog } from '../../base/log.js';
import { systemRng } from '../../base/rng.js';
import { openEngine } from '../../engine/open.js';
import { RoundDisplay } from './display.js';
import { DemoNetwork } from './network.js';
import { type DemoOptions, parseOptions, type RawDemoOptions } from './options.js';
import { DemoRounds, type RoundResult, withNodeNumber } from './rounds.js';
import { roundTable } from './table.js';

const HELP = `
Starts a scheduler and N node processes on loopback, each with its own keys and configuration, lets senders register and
submit over TLS, and mixes. Outputs are fetched from a node and count only with every node's signature.

Examples:
  millrace demo --rounds 1
  millrace demo --nodes 3 --batch 200 --bits 3072 --width 2 --input messages.txt`;

export function demoCommand(): Command {
  return new Command('demo')
    .description('bring up a network on this machine and mix messages (npm start)')
    .option('--rounds <n>', 'rounds to run', '3')
    .option('--batch <n>', 'messages a round', '1000')
    .option('--nodes <n>', 'node processes', '5')
    .option('--team-size <n>', 'nodes that mix a round, drawn from all (default: 5, or all if fewer)')
    .option('--bits <n>', 'group: 2048, 3072 or 4096 bits', '4096')
    .option('--width <n>', 'elements of a message, 1 to 15', '1')
    .option('--input <file>', 'messages, one a line, taken in order and again from the start (default: random text)')
    .option('--output <file>', 'where outputs are written, one a line', 'demo-output/outputs.txt')
    .option('--engine <name>', 'auto, cuda, cpu, openssl, bigint, reference, gpujs or tfjs', 'auto')
    .option('--json', 'end with one line of JSON on standard output', false)
    .option('--keep', 'stay up after the rounds until Ctrl+C', false)
    .addHelpText('after', HELP)
    .action(demo);
}

async function demo(raw: RawDemoOptions): Promise<void> {
  const options = parseOptions(raw, systemRng);
  const display = new RoundDisplay(process.stderr);
  const interrupted = onInterrupt(display);
  const { group, nodes, batch } = options;
  display.say(`starting ${nodes} nodes · ${group.name} · ${batch} messages a round`);
  const network = new DemoNetwork({
    nodes,
    engine: options.engine,
    threads: options.threads,
    groups: [group.name],
    listener: { onProgress: (node, _round, phase, fraction) => display.progress(node, phase, fraction) },
  });
  // Should this process end in any way that is not foreseen, its children must not outlive it.
  process.on('exit', () => network.killAll());
  try {
    await Promise.race([network.start(), interrupted]);
    await Promise.race([session(network, options, display), interrupted]);
  } catch (thrown) {
    throw withNodeNumber(asMixError(thrown), network);
  } finally {
    await network.stop();
  }
  process.exit();
}

async function session(network: DemoNetwork, options: DemoOptions, display: RoundDisplay): Promise<void> {
  const log = createLog({ name: 'demo', level: 'error' });
  const engine = await openEngine({ engine: options.engine, group: options.group, threads: 1, log });
  const rounds = new DemoRounds(network, options, engine, display);
  const results: RoundResult[] = [];
  const outputs: Buffer[] = [];
  try {
    display.say(
      `${network.nodes.length} nodes online · engine ${engineOf(network)} · registering ${rounds.senders} senders`,
    );
    await rounds.register();
    for (let round = 1; round <= options.rounds; round++) {
      const { result, outputs: messages } = await rounds.run(round);
      results.push(result);
      for (const message of messages) outputs.push(Buffer.from(message), Buffer.from('\n'));
    }
    mkdirSync(dirname(options.output), { recursive: true });
    writeFileSync(options.output, Buffer.concat(outputs));
    report(network, options, results);
    if (options.keep) await keep(network, display);
  } finally {
    rounds.close();
    await engine.close();
  }
}

function engineOf(network: DemoNetwork): string {
  const names = new Set([...network.feed.nodes.values()].map(({ engine, enginePath }) => `${engine} (${enginePath})`));
  return [...names].join(', ');
}

function report(network: DemoNetwork, options: DemoOptions, results: readonly RoundResult[]): void {
  const ok = results.every(({ equal }) => equal);
  const verdict = ok ? 'every message came out exactly once' : 'MESSAGES WERE LOST OR CHANGED';
  process.stdout.write(
    `\n${roundTable(results)}\n\nengine ${engineOf(network)} · outputs in ${options.output}\n${verdict}\n`,
  );
  if (options.json) {
    const [first] = network.feed.nodes.values();
    const line = { ok, engine: first?.engine, bits: options.group.bits, rounds: results };
    process.stdout.write(`${JSON.stringify(line)}\n`);
  }
  if (!ok) process.exitCode = 1;
}

async function keep(network: DemoNetwork, display: RoundDisplay): Promise<void> {
  display.say('\nstaying up until Ctrl+C:');
  for (const { number, id, httpAddress, directory } of network.nodes) {
    display.say(`  node ${number}  ${id}  http://${httpAddress}/status  ${directory}`);
  }
  await new Promise(() => {
    // A referenced timer keeps the process alive; Ctrl+C ends it.
    setInterval(() => {}, 60_000);
  });
}

/** Rejects on Ctrl+C and SIGTERM, so that everything is stopped in order; a second one ends the process at once. */
function onInterrupt(display: RoundDisplay): Promise<never> {
  const signalled = new Promise<never>((_, reject) => {
    let seen = false;
    for (const [signal, code] of [
      ['SIGINT', 130],
      ['SIGTERM', 143],
    ] as const) {
      process.on(signal, () => {
        if (seen) process.exit(code);
        seen = true;
        display.say(`\n${signal}: stopping all nodes`);
        process.exitCode = code;
        reject(new MixError('ABORTED', { signal }));
      });
    }
  });
  signalled.catch(() => {});
  return signalled;
}
