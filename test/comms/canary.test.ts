// Nothing secret is ever logged, at any level, or shown as a metric: every random value of a whole team's life (exponents, masks,
// permutations' seeds, tokens, keys), every identity and every secret that a sender agreed is looked for in all that was printed.
import { afterAll, beforeAll, expect, it } from 'vitest';
import { toHex, utf8 } from '../../src/base/bytes.js';
import { MixError } from '../../src/base/errors.js';
import { createLog } from '../../src/base/log.js';
import type { Rng } from '../../src/base/rng.js';
import { systemRng } from '../../src/base/rng.js';
import { codeOf, never, zeros } from './support.js';
import { RealTeam } from './team.js';

/** Shorter values would be found by chance. */
const CANARY_BYTES = 16;

/** Hands out true randomness, and remembers all of it. */
class RememberingRng implements Rng {
  readonly values: Uint8Array[] = [];
  fill<T extends Uint8Array>(out: T): T {
    systemRng.fill(out);
    if (out.length >= CANARY_BYTES) this.values.push(Uint8Array.from(out));
    return out;
  }
}

const lines: string[] = [];
const rng = new RememberingRng();
let team: RealTeam;

beforeAll(async () => {
  const log = createLog({ name: 'canary', level: 'trace', destination: { write: (line) => void lines.push(line) } });
  team = await RealTeam.start(3, { log, rng });
  // Everything logs at trace, and errors are logged, too.
  const info = await team.collecting();
  const client = team.client({ rng });
  const senders = [client.createSender(), client.createSender()];
  await client.register(senders);
  const [round] = (await client.rounds(info.team[0]!)).filter((signed) => signed.info.round === info.round);
  const messages = Array.from({ length: 6 }, (_, i) => ({ sender: senders[i % 2]!, payload: utf8(`canary ${i}`) }));
  await client.submit(info, await client.compose(round!, messages));
  await team.feed.reached(info.round, 'COMPLETED');
  // What fails tells why, and must not tell more.
  const failing = await team.collecting();
  team.feed.fail(failing.round, 'given up');
  const { link, node } = team.nodes[0]!;
  const { link: other } = team.nodes[1]!;
  link.hosts.disconnectAll();
  expect(await codeOf(other.ping(node, never))).toBe('ok');
  expect(await codeOf(link.circle(team.nodes[1]!.node, { round: 99 as never, id: zeros(16), hop: 1 }, never))).toBe(
    'ROUND_UNKNOWN',
  );
  log.error({ err: new MixError('INTERNAL', { message: 'a whole error' }) }, 'as an operator sees it');
});
afterAll(() => team.close());

function expectAbsent(text: string, secret: Uint8Array, what: string): void {
  const part = secret.subarray(0, CANARY_BYTES);
  const forms = [toHex(part), Buffer.from(part).toString('base64').slice(0, 20), part.join(',')];
  for (const form of forms) if (text.includes(form)) throw new Error(`${what} was printed, as ${form}`);
}

async function printed(): Promise<string> {
  const metrics = await Promise.all([
    ...team.nodes.map((node) => node.metrics.render()),
    team.schedulerMetrics.render(),
  ]);
  return [...lines, ...metrics].join('\n').toLowerCase().replaceAll(' ', '');
}

it('the log is not empty: it would be no wonder otherwise', () => {
  expect(lines.length).toBeGreaterThan(5);
  expect(rng.values.length).toBeGreaterThan(50);
});

it('no random value of a node or sender is in its log or metrics', async () => {
  const text = await printed();
  for (const value of rng.values) expectAbsent(text, value, 'a random value');
});

it('no identity and no secret agreed with a sender is there', async () => {
  const text = await printed();
  for (const { key, certificate } of team.nodes) {
    expectAbsent(text, key.seed.reveal(), 'an identity');
    const body = certificate.privateKey.split('\n')[1]!.toLowerCase();
    expect(text.includes(body)).toBe(false);
  }
  expectAbsent(text, team.authority.seed.reveal(), "the scheduler's key");
});

it('the search finds what is there', async () => {
  const planted = Uint8Array.from({ length: 32 }, (_, i) => i * 7);
  expect(() => expectAbsent(`x${toHex(planted)}`, planted, 'it')).toThrow('it was printed');
  expect(() => expectAbsent([...planted].join(','), planted, 'it')).toThrow('it was printed');
});
