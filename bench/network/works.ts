// Every piece of a node's work for a round, prepared for measurement: the functions are those that the round calls, with operands
// of the real shape. Sizes come in pairs, a chunk and a batch, so that a call's own price can be separated from its units'.

import { concat, DIGEST_BYTES, digest, toHex } from '../../src/base/bytes.js';
import type { BootId, RoundId, SenderId } from '../../src/base/ids.js';
import { randomBytes, systemRng } from '../../src/base/rng.js';
import { openLevelStore, type Store } from '../../src/base/store.js';
import { splitCipher } from '../../src/cmix/elgamal.js';
import { rootOfLeaves } from '../../src/cmix/merkle.js';
import { encodeMessage } from '../../src/cmix/messageCoding.js';
import { decodeOutputs, outputDigest } from '../../src/cmix/outputs.js';
import { randomPermutation } from '../../src/cmix/permutation.js';
import { openCommitment } from '../../src/cmix/proofs/commitment.js';
import { proveDecryption } from '../../src/cmix/proofs/proofs.js';
import { SenderSecret, slotKeys, submissionMac } from '../../src/cmix/senderKeys.js';
import { SigningKey, verifySignature } from '../../src/cmix/signatures.js';
import {
  applyRejections,
  decodeTable,
  distinctSenders,
  encodedTableDigest,
  encodeTable,
  type SlotEntry,
  TableJudge,
} from '../../src/cmix/slotTable.js';
import { createKeyShare, verifyKeyShare } from '../../src/cmix/teamKey.js';
import type { Engine, Priority } from '../../src/engine/engine.js';
import { randomElements, randomExponents } from '../../src/math/sampling.js';
import type { BatchPhase } from '../../src/protocol/batchPhases.js';
import type { RoundInfo } from '../../src/protocol/roundInfo.js';
import { IncomingBatch, OutgoingBatch } from '../../src/round/exchange/batches.js';
import { RoundJournal } from '../../src/round/journal.js';
import { DEFAULT_PARAMS } from '../../src/scheduler/parameters.js';
import type { EngineWork, MainWork } from './costFile.js';

/** Does a piece of work once. */
export type Call = () => unknown;
/** Draws operands for `units`; the returned call is timed. */
export type Maker = (units: number, priority?: Priority) => Call | Promise<Call>;

const EXPONENT_BYTES = 32;
const NODE = '00'.repeat(16) as RoundInfo['team'][number];
const TEAM_SIZE = 5;
const ROUND_DIGEST = digest('bench-network');

const infoOf = (engine: Engine, slots: number): RoundInfo => ({
  ...DEFAULT_PARAMS,
  network: 'bench',
  round: 1 as RoundId,
  membership: 0,
  team: Array.from({ length: TEAM_SIZE }, () => NODE),
  group: engine.group.name,
  slots,
  // One chunk, so that the price is that of a chunk.
  chunkSlots: slots,
});

/** Work of the engine, by name. */
export function engineWorks(engine: Engine): Readonly<Record<EngineWork, Maker>> {
  const { group } = engine;
  const elements = (count: number) => randomElements(systemRng, group, count);
  const prepared = async (count: number) => engine.prepare(elements(count));
  const context = { group, roundDigest: ROUND_DIGEST, node: NODE, width: 1, exponentBytes: EXPONENT_BYTES };
  const options = { exponentBytes: EXPONENT_BYTES };
  return {
    mul: async (n, priority = 'precompute') => {
      const [a, b, out] = [elements(n), await prepared(n), engine.allocate(n)];
      return () => engine.mul(a, b, { out, priority });
    },
    mulPlain: (n) => {
      const [a, b, out] = [elements(n), elements(n), engine.allocate(n)];
      return () => engine.mul(a, b, { out });
    },
    mulGather: async (n) => {
      const [a, b, out, source] = [elements(n), await prepared(n), engine.allocate(n), randomPermutation(systemRng, n)];
      return () => engine.mulGather(a, source, b, { out });
    },
    prepare: (n) => {
      const a = elements(n);
      return async () => (await engine.prepare(a)).release();
    },
    powFixed: async (n) => {
      const [base, exponents] = [await engine.fixedBase(elements(1)), randomExponents(systemRng, n, EXPONENT_BYTES)];
      return () => engine.powFixed(base, exponents, options);
    },
    powShared: (n) => {
      const [bases, exponents] = [elements(n), randomExponents(systemRng, 1, EXPONENT_BYTES)];
      return () => engine.powShared(bases, exponents, options);
    },
    invertBatch: (n) => {
      const a = elements(n);
      return () => engine.invertBatch(a);
    },
    table: () => {
      const element = elements(1);
      return async () => (await engine.fixedBase(element)).release();
    },
    keyShare: () => async () => (await createKeyShare(engine, systemRng, context)).exponents.wipe(),
    verifyShare: async () => {
      const { share } = await createKeyShare(engine, systemRng, context);
      return () => verifyKeyShare(engine, share, context);
    },
    proof: async (n) => {
      const { share, exponents } = await createKeyShare(engine, systemRng, context);
      const c0 = elements(n);
      const shares = await engine.powShared(c0, exponents.reveal(), options);
      const statement = { publicShares: share.elements, exponents, c0, shares, batchDigest: ROUND_DIGEST };
      return () => proveDecryption(engine, systemRng, context, statement);
    },
  };
}

/** A full table of a round of five, with MACs that the first node accepts. */
function fullTable(slots: number): { table: SlotEntry[]; secrets: Map<SenderId, SenderSecret> } {
  const senders = Array.from({ length: Math.ceil(slots / 10) }, () => toHex(randomBytes(systemRng, 32)) as SenderId);
  const secrets = new Map(senders.map((sender) => [sender, new SenderSecret(randomBytes(systemRng, 32))]));
  const table = Array.from({ length: slots }, (_, slot) => {
    const sender = senders[slot % senders.length]!;
    const [salt, payloadDigest] = [randomBytes(systemRng, 16), randomBytes(systemRng, 32)];
    const fields = { roundDigest: ROUND_DIGEST, sender, salt, payloadDigest };
    const own = submissionMac(secrets.get(sender)!, fields);
    const others = Array.from({ length: TEAM_SIZE - 1 }, () => randomBytes(systemRng, 32));
    return { sender, salt, payloadDigest, macs: [own, ...others] };
  });
  return { table, secrets };
}

/** Work of the main thread, by name. */
export function mainWorks(engine: Engine): Readonly<Record<MainWork, Maker>> {
  const { group } = engine;
  const elements = (count: number) => randomElements(systemRng, group, count);
  const key = SigningKey.generate(systemRng);
  const signature = key.sign(ROUND_DIGEST);
  const events = { verify: async () => undefined, complete: () => {}, misbehaved: () => {} };
  const take = (n: number, phase: BatchPhase, width: number): Call => {
    const [bytes, room, info] = [Uint8Array.from(elements(n * width)), engine.allocate(n, width), infoOf(engine, n)];
    return () => new IncomingBatch(info, group, phase, room, events).chunk(0, bytes);
  };
  const give = (n: number, phase: BatchPhase, width: number): Call => {
    const [bytes, info] = [elements(n * width), infoOf(engine, n)];
    return () => new OutgoingBatch(info, group, phase, bytes).readyAll();
  };
  return {
    draw: (n) => () => {
      for (let i = 0; i < 2; i++) {
        randomElements(systemRng, group, n);
        randomExponents(systemRng, n, EXPONENT_BYTES);
      }
      randomPermutation(systemRng, n);
    },
    takeSingle: (n) => take(n, 'realtimeDecrypt', 1),
    takePair: (n) => take(n, 'precompDecrypt', 2),
    giveSingle: (n) => give(n, 'realtimeDecrypt', 1),
    givePair: (n) => give(n, 'precompDecrypt', 2),
    root: (n) => {
      const leaves = Buffer.from(randomBytes(systemRng, n * DIGEST_BYTES));
      return () => rootOfLeaves(leaves);
    },
    sign: () => () => key.sign(ROUND_DIGEST),
    verify: () => () => verifySignature(key.publicKey, ROUND_DIGEST, signature),
    tableOut: (n) => {
      const { table } = fullTable(n);
      return () => encodedTableDigest(ROUND_DIGEST, encodeTable(table));
    },
    tableIn: (n) => {
      const [encoded, shape] = [encodeTable(fullTable(n).table), { slots: n, teamSize: TEAM_SIZE }];
      return () => {
        decodeTable(encoded, shape);
        encodedTableDigest(ROUND_DIGEST, encoded);
      };
    },
    settle: (n) => {
      const { table, secrets } = fullTable(n);
      const none = Array.from({ length: TEAM_SIZE }, () => []);
      return () => {
        const settled = applyRejections(table, none);
        distinctSenders(settled);
        return settled.map((entry) => entry && secrets.get(entry.sender));
      };
    },
    judge: (n) => {
      const { table, secrets } = fullTable(n);
      const secretOf = (sender: SenderId) => secrets.get(sender);
      const facts = { roundDigest: ROUND_DIGEST, nodeIndex: 0, secretOf, quotaPerSender: n };
      return () => new TableJudge(table, facts).judge(n);
    },
    slotKey: (n) => {
      const [secret, salt] = [new SenderSecret(randomBytes(systemRng, 32)), randomBytes(systemRng, 16)];
      return () => {
        for (let i = 0; i < n; i++) slotKeys(group, secret, ROUND_DIGEST, salt, 1);
      };
    },
    commit: (n) => {
      const [first, responses, nonce] = [elements(2), elements(1), randomBytes(systemRng, 32)];
      const cipherDigest = ROUND_DIGEST;
      const shares = splitCipher(group, elements(2 * n), 1).payload;
      const opening = {
        roundDigest: ROUND_DIGEST,
        node: NODE,
        cipherDigest,
        shares,
        proof: { first, responses },
        nonce,
      };
      return () => openCommitment(nonce, opening);
    },
    decode: (n) => {
      const outputs = concat(
        Array.from({ length: n }, () => encodeMessage(group, 1, randomBytes(systemRng, 64), systemRng)),
      );
      return () => {
        decodeOutputs(group, 1, outputs);
        outputDigest(ROUND_DIGEST, outputs);
      };
    },
  };
}

/** A round's wait for its write to disk; the time is the disk's, not the processor's. */
export async function reserve(directory: string): Promise<{ call: Call; store: Store }> {
  const store = await openLevelStore(directory);
  const roundLog = new RoundJournal(store, 'ab'.repeat(16) as BootId);
  let round = 0;
  return { store, call: () => roundLog.reserveRealtime(++round as RoundId) };
}
