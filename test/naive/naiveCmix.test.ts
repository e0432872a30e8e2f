// The formulas of src/cmix, composed over a team, compared with the naive round: every value that passes between nodes.
import { describe, expect, test } from 'vitest';
import { utf8 } from '../../src/base/bytes.js';
import { encodeMessage } from '../../src/cmix/messageCoding.js';
import { decodeOutputs } from '../../src/cmix/outputs.js';
import { randomPermutation } from '../../src/cmix/permutation.js';
import {
  decryptionShares,
  encryptBatch,
  encryptionHeads,
  precompDecrypt,
  precompPermute,
  realtimeDecrypt,
  realtimePermute,
  splitCipher,
} from '../../src/cmix/phases.js';
import { blindMessage } from '../../src/cmix/senderKeys.js';
import { combineTeamKey, createKeyShare } from '../../src/cmix/teamKey.js';
import type { Engine, Prepared } from '../../src/engine/engine.js';
import { referenceEngine } from '../../src/engine/open.js';
import { bytesToBigint, elementAt, toBigints } from '../../src/math/batch.js';
import { type Group, namedGroup } from '../../src/math/group.js';
import { randomElements, randomExponents } from '../../src/math/sampling.js';
import { contextOf, unblindOutputs } from '../support/cmix.js';
import { SeededRng } from '../support/seededRng.js';
import { type NaiveNode, naiveRound } from './naiveCmix.js';

const EXPONENT_BYTES = 32;

interface Case {
  readonly group: Group;
  readonly engine: Engine;
  readonly width: number;
  readonly slots: number;
  readonly chunkSlots: number;
}

async function drawNode({ group, engine, width, slots }: Case, seed: string) {
  const rng = new SeededRng(seed);
  const context = { ...contextOf(width), group };
  const { exponents, share } = await createKeyShare(engine, rng, context);
  return {
    share,
    z: exponents,
    r: randomElements(rng, group, slots * width),
    s: randomElements(rng, group, slots * width),
    y: randomExponents(rng, slots, EXPONENT_BYTES),
    yPrime: randomExponents(rng, slots, EXPONENT_BYTES),
    source: randomPermutation(rng, slots),
    k: randomElements(rng, group, slots * width),
  };
}
type DrawnNode = Awaited<ReturnType<typeof drawNode>>;

const rowsOf = (group: Group, batch: Uint8Array, width: number): bigint[][] => {
  const flat = toBigints(group, batch);
  return Array.from({ length: flat.length / width }, (_, slot) => flat.slice(slot * width, (slot + 1) * width));
};
const integersOf = (bytes: Uint8Array): bigint[] =>
  Array.from({ length: bytes.length / EXPONENT_BYTES }, (_, i) =>
    bytesToBigint(bytes.subarray(i * EXPONENT_BYTES, (i + 1) * EXPONENT_BYTES)),
  );

const naiveOf = ({ group, width }: Case, node: DrawnNode): NaiveNode => ({
  z: integersOf(node.z.reveal()),
  r: rowsOf(group, node.r, width),
  s: rowsOf(group, node.s, width),
  y: integersOf(node.y),
  yPrime: integersOf(node.yPrime),
  source: [...node.source],
  k: rowsOf(group, node.k, width),
});

/** Runs a phase function over the chunks of a batch, as a ring does. */
async function byChunks(
  { group, chunkSlots, slots }: Case,
  width: number,
  batch: Uint8Array,
  operand: Prepared,
  step: (chunk: Uint8Array, part: Prepared) => Promise<Uint8Array>,
): Promise<Uint8Array> {
  const out = new Uint8Array(batch.length);
  const slotBytes = width * group.elementBytes;
  for (let from = 0; from < slots; from += chunkSlots) {
    const to = Math.min(slots, from + chunkSlots);
    const part = operand.slice(from * width, to * width);
    out.set(await step(batch.subarray(from * slotBytes, to * slotBytes), part), from * slotBytes);
  }
  return out;
}

async function precomputeOf(of: Case, nodes: readonly DrawnNode[]) {
  const { group, engine, width, slots } = of;
  const teamKey = await combineTeamKey(
    engine,
    nodes.map((node) => node.share),
    width,
  );
  const g = await engine.fixedBase(Uint8Array.from([2, ...new Uint8Array(group.elementBytes - 1)]));
  const team = await Promise.all(
    Array.from({ length: width }, (_, e) => engine.fixedBase(elementAt(group, teamKey, e))),
  );
  const options = { width, exponentBytes: EXPONENT_BYTES };
  const precompDecrypts: Uint8Array[] = [];
  let cipher = engine.allocate(slots, width + 1);
  for (let i = 0; i < slots * (width + 1); i++) cipher[i * group.elementBytes] = 1;
  for (const node of nodes) {
    const encrypted = await encryptBatch(engine, { g, team }, node.r, node.y, options);
    const encR = await engine.prepare(encrypted);
    cipher = await byChunks(of, width + 1, cipher, encR, (chunk, part) => precompDecrypt(engine, chunk, part));
    precompDecrypts.push(cipher);
  }
  const precompPermutes: Uint8Array[] = [];
  for (const node of [...nodes].reverse()) {
    const heads = await encryptionHeads(engine, g, node.yPrime, options);
    const encrypted = await encryptBatch(engine, { g, team }, node.s, node.yPrime, { ...options, heads });
    cipher = await precompPermute(engine, cipher, node.source, await engine.prepare(encrypted), { width });
    precompPermutes.push(cipher);
  }
  const { c0, payload } = splitCipher(group, cipher, width);
  const shares = await Promise.all(nodes.map((node) => decryptionShares(engine, c0, node.z, options)));
  return { teamKey, precompDecrypts, precompPermutes, shares, inversePayload: await engine.invertBatch(payload) };
}

async function realtimeOf(of: Case, nodes: readonly DrawnNode[], submitted: Uint8Array) {
  const { engine, width } = of;
  const realtimeDecrypts: Uint8Array[] = [];
  const realtimePermutes: Uint8Array[] = [];
  let x = submitted;
  for (const node of nodes) {
    const keys = await engine.prepare(await engine.mul(node.k, node.r));
    x = await byChunks(of, width, x, keys, (chunk, part) => realtimeDecrypt(engine, chunk, part));
    realtimeDecrypts.push(x);
  }
  for (const node of [...nodes].reverse()) {
    x = await realtimePermute(engine, x, node.source, await engine.prepare(node.s), { width });
    realtimePermutes.push(x);
  }
  return { realtimeDecrypts, realtimePermutes, mixed: x };
}

const cases = [
  { name: 'TEST-512', team: 5, width: 1, slots: 7, chunkSlots: 3 },
  { name: 'TEST-512', team: 5, width: 2, slots: 7, chunkSlots: 2 },
  { name: 'TEST-512', team: 1, width: 3, slots: 4, chunkSlots: 4 },
  { name: 'MODP-2048', team: 2, width: 1, slots: 3, chunkSlots: 2 },
];

describe.each(cases)('$team nodes in $name at width $width', async ({ name, team, width, slots, chunkSlots }) => {
  const group = namedGroup(name);
  const of: Case = { group, engine: referenceEngine(group), width, slots, chunkSlots };
  const rng = new SeededRng('messages');
  const texts = Array.from({ length: slots }, (_, slot) => `m${slot}`);
  const plain = new Uint8Array(slots * width * group.elementBytes);
  for (const [slot, text] of texts.entries()) {
    plain.set(encodeMessage(group, width, utf8(text), rng), slot * width * group.elementBytes);
  }
  const nodes = await Promise.all(Array.from({ length: team }, (_, i) => drawNode(of, `${name} ${width} node ${i}`)));
  const precomputed = await precomputeOf(of, nodes);
  const submitted = await blindMessage(
    of.engine,
    plain,
    nodes.map((node) => node.k),
  );
  const realtime = await realtimeOf(of, nodes, submitted);
  const out = await unblindOutputs(of.engine, realtime.mixed, precomputed.shares, precomputed.inversePayload);
  const prepared = await of.engine.prepare(precomputed.inversePayload);
  const viaPrepared = await unblindOutputs(of.engine, realtime.mixed, precomputed.shares, prepared);

  const naiveGroup = { p: group.p, g: group.g, sign: 'absolute' } as const;
  const naive = naiveRound(
    naiveGroup,
    nodes.map((node) => naiveOf(of, node)),
    rowsOf(group, plain, width),
  );
  const rows = (batch: Uint8Array) => rowsOf(group, batch, width);
  const cipherRows = (batch: Uint8Array) => rowsOf(group, batch, width + 1);

  test('agree with the naive round on all values sent in precomputation', () => {
    expect(toBigints(group, precomputed.teamKey)).toEqual(naive.teamKey);
    expect(precomputed.precompDecrypts.map(cipherRows)).toEqual(naive.precompDecrypt);
    expect(precomputed.precompPermutes.map(cipherRows)).toEqual(naive.precompPermute);
    expect(precomputed.shares.map(rows)).toEqual(naive.shares);
  });

  test('agree with the naive round on all values sent in realtime', () => {
    expect(rows(submitted)).toEqual(naive.submitted);
    expect(realtime.realtimeDecrypts.map(rows)).toEqual(naive.realtimeDecrypt);
    expect(realtime.realtimePermutes.map(rows)).toEqual(naive.realtimePermute);
  });

  test('agree with the naive round on the outputs: every message once, permuted', () => {
    expect(rows(out)).toEqual(naive.out);
    expect(viaPrepared).toEqual(out);
    const { messages, dummies, invalidSlots } = decodeOutputs(group, width, out);
    expect(invalidSlots).toEqual([]);
    expect(dummies).toBe(0);
    const expected = Array.from(
      { length: slots },
      (_, k) => texts[nodes.reduce((slot, node) => node.source[slot]!, k)],
    );
    expect(messages.map((message) => Buffer.from(message).toString())).toEqual(expected);
  });

  test('turn a changed share, mixed value or ciphertext into an invalid output', async () => {
    const { engine } = of;
    const three = new Uint8Array(out.length);
    for (let i = 0; i < slots * width; i++) three[i * group.elementBytes] = i === 0 ? 3 : 1;
    const badShare = await engine.mul(precomputed.shares[0]!, three);
    const badMixed = await engine.mul(realtime.mixed, three);
    const badInverse = await engine.mul(precomputed.inversePayload, three);
    const others = precomputed.shares.slice(1);
    for (const bad of [
      await unblindOutputs(engine, realtime.mixed, [badShare, ...others], precomputed.inversePayload),
      await unblindOutputs(engine, badMixed, precomputed.shares, precomputed.inversePayload),
      await unblindOutputs(engine, realtime.mixed, precomputed.shares, badInverse),
    ]) {
      expect(decodeOutputs(group, width, bad).invalidSlots).toEqual([0]);
    }
  });
});
