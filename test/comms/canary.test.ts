// No secret is logged at any level, or rendered as a metric: the log and the metrics are searched for every random value of a
// whole team's life (exponents, masks, permutations' seeds, tokens, keys), every identity key and every secret agreed with a
// sender.
import { inspect } from 'node:util';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { concat, toHex, utf8 } from '../../src/base/bytes.js';
import { MixError } from '../../src/base/errors.js';
import { createLog } from '../../src/base/log.js';
import type { Rng } from '../../src/base/rng.js';
import { systemRng } from '../../src/base/rng.js';
import { CANARY_BYTES, findTrace } from '../support/canary.js';
import { codeOf, never, zeros } from './support.js';
import { RealTeam } from './team.js';

/** Gives true randomness, and records all of it. */
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
  // Everything logs at trace; errors are logged as well.
  const info = await team.collecting();
  const client = team.client({ rng });
  const senders = [client.createSender(), client.createSender()];
  await client.register(senders);
  const [round] = (await client.rounds(info.team[0]!)).filter((signed) => signed.info.round === info.round);
  const messages = Array.from({ length: 6 }, (_, i) => ({ sender: senders[i % 2]!, payload: utf8(`canary ${i}`) }));
  await client.submit(info, await client.compose(round!, messages));
  await team.feed.reached(info.round, 'COMPLETED');
  // A failure logs its reason, and must not log more.
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
  const form = findTrace(text, secret);
  if (form) throw new Error(`${what} was printed, as ${form}`);
}

async function printed(): Promise<string> {
  const metrics = await Promise.all([
    ...team.nodes.map((node) => node.metrics.render()),
    team.schedulerMetrics.render(),
  ]);
  return [...lines, ...metrics].join('\n');
}

it('the log is not empty: the search has something to find', () => {
  expect(lines.length).toBeGreaterThan(5);
  expect(rng.values.length).toBeGreaterThan(50);
});

it('the log and metrics contain no random value of a node or sender', async () => {
  const text = await printed();
  for (const value of rng.values) expectAbsent(text, value, 'a random value');
});

it('the log and metrics contain no identity key and no secret agreed with a sender', async () => {
  const text = await printed();
  for (const { key, certificate } of team.nodes) {
    expectAbsent(text, key.seed.reveal(), 'an identity');
    const der = Buffer.from(certificate.privateKey.split('\n').slice(1, -2).join(''), 'base64');
    // The private number is at byte 36 of a P-256 key in PKCS #8 (RFC 5915).
    expectAbsent(text, der.subarray(36, 68), 'a TLS key');
    expect(text).not.toContain(certificate.privateKey.split('\n')[1]!);
  }
  expectAbsent(text, team.authority.seed.reveal(), "the scheduler's key");
});

const planted = Uint8Array.from({ length: 32 }, (_, i) => (i * 167 + 251) % 256);

it.each<[string, unknown]>([
  ['hex', toHex(planted)],
  ['capital hex', toHex(planted).toUpperCase()],
  ['base64', Buffer.from(planted).toString('base64')],
  ['base64 within more bytes', Buffer.concat([Buffer.of(1), planted, Buffer.of(2)]).toString('base64')],
  ['base64 two bytes on', Buffer.concat([Buffer.of(1, 2), planted]).toString('base64')],
  ['base64url', Buffer.from(planted).toString('base64url')],
  ['a byte array', planted],
  ['a Buffer', [Buffer.from(planted)]],
  ['numbers', [...planted]],
  ['bytes within an object', { deep: { er: [planted.subarray(0, 20)] } }],
  ['a byte array in the middle of a longer one', concat([new Uint8Array(40), planted, new Uint8Array(8)])],
  ['a byte array at the end of a longer one', concat([new Uint8Array(7), planted])],
  ['a byte array as JSON within JSON', JSON.stringify({ deep: concat([new Uint8Array(3), planted]) })],
  ['what util.inspect shows', inspect(planted)],
  ['what util.inspect shows of a Buffer', inspect(Buffer.from(planted))],
])('the search finds a secret that is logged as %s', (_, value) => {
  const said: string[] = [];
  const log = createLog({ name: 'planted', level: 'trace', destination: { write: (line) => void said.push(line) } });
  log.info({ value }, `and in the message, ${typeof value === 'string' ? value : ''}`);
  expect(findTrace(said.join(''), planted)).toBeDefined();
  expect(
    findTrace(
      said.join(''),
      Uint8Array.from(planted, (byte) => byte ^ 1),
    ),
  ).toBeUndefined();
});
