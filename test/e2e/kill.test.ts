// Real processes, real kill -9: a node that dies in the middle of a round ends that round with an error that names it, the
// others live on, free of the round's secrets, and mix the next one without it.
import { afterEach, describe, expect, it } from 'vitest';
import { asMixError } from '../../src/base/errors.js';
import { silentLog } from '../../src/base/log.js';
import { systemRng } from '../../src/base/rng.js';
import { RoundDisplay } from '../../src/cli/demo/display.js';
import { DemoNetwork, type DemoNode } from '../../src/cli/demo/network.js';
import { parseOptions } from '../../src/cli/demo/options.js';
import { DemoRounds } from '../../src/cli/demo/rounds.js';
import { openEngine } from '../../src/engine/open.js';
import { groupOfBits } from '../../src/math/group.js';
import type { PhaseName } from '../../src/round/roundContext.js';

let network: DemoNetwork | undefined;
afterEach(async () => {
  await network?.stop();
  network = undefined;
});

interface Status {
  readonly roundSecretBytes: number;
  readonly rounds: { readonly round: number; readonly stage: string }[];
}

async function statusOf(node: DemoNode): Promise<Status> {
  const response = await fetch(`http://${node.httpAddress}/status`);
  return (await response.json()) as Status;
}

/** A demo of four nodes at 2048 bits that kills one process when a phase starts anywhere. */
async function demoWithKill(phase: PhaseName, batch: number) {
  let victim: DemoNode | undefined;
  const log: string[] = [];
  const listener = {
    onProgress: (_node: unknown, _round: unknown, at: PhaseName, fraction: number) => {
      log.push(`${at} ${fraction}`);
      if (at !== phase || victim || !network) return;
      victim = network.nodes[2]!;
      victim.process.kill('SIGKILL');
    },
  };
  network = new DemoNetwork({ nodes: 4, engine: 'openssl', threads: 1, groups: ['MODP-2048'], listener });
  await network.start();
  const raw = {
    rounds: '1',
    nodes: '4',
    bits: '2048',
    width: '1',
    output: '',
    engine: 'openssl',
    json: false,
    keep: false,
  };
  const options = parseOptions({ ...raw, batch: String(batch) }, systemRng);
  const engine = await openEngine({ engine: 'openssl', group: groupOfBits(2048), threads: 1, log: silentLog });
  const rounds = new DemoRounds(network, options, engine, new RoundDisplay(process.stderr));
  return { rounds, engine, victim: () => victim!, network };
}

describe('kill -9 of one node', () => {
  it.each<[PhaseName, number]>([
    ['generate', 300],
    ['reveal', 300],
    ['realtimeDecrypt', 300],
  ])('when %s starts', async (phase, batch) => {
    const demo = await demoWithKill(phase, batch);
    try {
      await demo.rounds.register();
      const error = await demo.rounds.run(1).then(
        () => undefined,
        (thrown) => asMixError(thrown),
      );
      expect(error?.values).toMatchObject({ code: 'PEER_LOST', culprit: demo.victim().id });
      const others = demo.network.nodes.filter((node) => node !== demo.victim());
      for (const node of others) {
        // The first one to say so may be a moment ahead of the others.
        const ended = { rounds: [{ round: 1, stage: 'FAILED' }], roundSecretBytes: 0 };
        await expect.poll(() => statusOf(node), { timeout: 20_000 }).toMatchObject(ended);
      }
      // The three that are left mix a round.
      demo.network.nodes.splice(demo.network.nodes.indexOf(demo.victim()), 1);
      const raw = { rounds: '1', nodes: '3', batch: '8', bits: '2048', width: '1', output: '', engine: 'openssl' };
      const options = parseOptions({ ...raw, json: false, keep: false }, systemRng);
      const next = new DemoRounds(demo.network, options, demo.engine, new RoundDisplay(process.stderr));
      await next.register(others.map(({ id }) => id));
      const { result } = await next.run(2);
      expect(result).toMatchObject({ messagesIn: 8, messagesOut: 8, equal: true });
      next.close();
    } finally {
      demo.rounds.close();
      await demo.engine.close();
    }
  });
});
