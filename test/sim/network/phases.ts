// The table of a round, like src/round: precomputation here, realtime in realtimePhases.ts. Chunks are processed and passed on
// one by one, only the permutation waits for the whole batch; work that needs no other node is done while shares travel.
import { Flows, type Handed, type RoundShape } from './flows.js';
import type { TaskId } from './plan.js';
import { PlanBuilder, type RoundPlan } from './plan.js';
import type { Pricing } from './pricing.js';
import { realtimePhases } from './realtimePhases.js';

const DIGEST_BYTES = 32;
const SIGNATURE_BYTES = 64;

/** Tasks of all chunks of a position. */
type Chunks = readonly TaskId[];

/** Tasks of the encryptions that Generate produces. */
interface Generated {
  readonly encryptedR: readonly Chunks[];
  readonly encryptedS: readonly TaskId[];
}

export function roundPlan(shape: RoundShape, pricing: Pricing): RoundPlan {
  const builder = new PlanBuilder(pricing);
  const flows = new Flows(builder, shape);
  const open = flows.positions.map((at) => builder.door(at, [], 'PRECOMPUTING'));
  const standby = precomputePhases(flows, open);
  const assigned = realtimePhases(flows, standby);
  return builder.build(shape.size, open, assigned);
}

/** All steps until the commitments are in; returns the tasks with which each position reaches STANDBY. */
function precomputePhases(flows: Flows, open: readonly TaskId[]): TaskId[] {
  const { builder: b, shape, positions } = flows;
  const { pricing } = b;
  // A round's id is written to disk before any work for it.
  const shares = positions.map((at) => {
    const logged = b.wait(at, pricing.reserveUs, [open[at]!]);
    return b.engine(at, pricing.engine('keyShare', shape.width), [logged]);
  });
  const heads = positions.map((at) => drawAhead(flows, at, shares[at]!));
  const keyShareBytes = 3 * shape.width * pricing.elementBytes;
  const said = positions.map((from) => flows.say(from, keyShareBytes, [shares[from]!]));
  const combined = positions.map((at) => {
    const checked = positions
      .filter((from) => from !== at)
      .map((from) => b.engine(at, pricing.engine('verifyShare', shape.width), [said[from]!.heard[at]!]));
    return b.engine(at, pricing.engine('table', shape.width), [shares[at]!, ...checked]);
  });
  const agreed = flows.allSay(
    combined.map((task) => [task]),
    DIGEST_BYTES,
  );
  const generated = generate(flows, agreed, heads);
  const whole = decryptRing(flows, agreed, generated.encryptedR);
  return reveal(flows, permuteRing(flows, whole, generated.encryptedS));
}

/** r, s, and g^y of both encryptions, chunk after chunk: [of r, of s]. */
function drawAhead({ builder: b, shape }: Flows, at: number, share: TaskId): readonly [Chunks, Chunks] {
  const { pricing } = b;
  b.phase = 'generate';
  const drawn = b.main(at, pricing.main('draw', shape.slots), [share]);
  let last = b.engine(at, pricing.engine('table', 1), [drawn]);
  const heads = () =>
    shape.chunks.map((slots) => {
      last = b.engine(at, pricing.engine('powFixed', slots), [last]);
      return last;
    });
  const both = [heads(), heads()] as const;
  b.phase = undefined;
  return both;
}

/** Enc(r; y) and Enc(s; y′) once Z is known, chunk after chunk, r first. */
function generate(flows: Flows, agreed: readonly TaskId[], heads: readonly (readonly [Chunks, Chunks])[]): Generated {
  const { builder: b, shape, positions } = flows;
  const { pricing } = b;
  const { width, slots } = shape;
  b.phase = 'generate';
  const encrypted = positions.map((at) => {
    const prepare = (count: number, after: readonly TaskId[]) => b.engine(at, pricing.engine('prepare', count), after);
    let last = prepare(slots * width, [prepare(slots * width, [agreed[at]!])]);
    const encrypt = (count: number, head: TaskId) => {
      const power = b.engine(at, pricing.engine('powFixed', count * width), [last, head]);
      last = b.engine(at, pricing.engine('mulPlain', count * width), [power]);
    };
    const [ofR, ofS] = heads[at]!;
    const r = shape.chunks.map((count, k) => {
      encrypt(count, ofR[k]!);
      last = prepare(count * (width + 1), [last]);
      return last;
    });
    for (const [k, count] of shape.chunks.entries()) encrypt(count, ofS[k]!);
    return { r, s: prepare(slots * (width + 1), [last]) };
  });
  b.phase = undefined;
  return { encryptedR: encrypted.map(({ r }) => r), encryptedS: encrypted.map(({ s }) => s) };
}

/** C ← C ∘ Enc(r), 1→N; returns the task after which the last node has its whole output. */
function decryptRing(flows: Flows, agreed: readonly TaskId[], encryptedR: readonly Chunks[]): TaskId {
  const { builder: b, shape, positions } = flows;
  const elements = shape.width + 1;
  b.phase = 'precompDecrypt';
  let taken: Chunks | undefined;
  let whole = -1;
  for (const at of positions) {
    const begun = b.join(at, [agreed[at]!]);
    const done = shape.chunks.map((slots, k) => {
      // The first node's chunk is its own encryption.
      if (!taken) return b.join(at, [begun, encryptedR[at]![k]!]);
      return b.engine(at, b.pricing.engine('mul', slots * elements), [begun, encryptedR[at]![k]!, taken[k]!]);
    });
    if (at + 1 === shape.size) whole = b.join(at, done);
    else taken = flows.stream(flows.give(at, elements, done), at + 1, 'precompute').taken;
  }
  b.phase = undefined;
  return whole;
}

/** C′ = π(C) ∘ Enc(s), N→1, each with the whole batch; returns node 1's batch to reveal. */
function permuteRing(flows: Flows, lastWhole: TaskId, encryptedS: readonly TaskId[]): Handed {
  const { builder: b, shape } = flows;
  const elements = shape.width + 1;
  let whole = lastWhole;
  for (let at = shape.size - 1; ; at--) {
    b.phase = 'precompPermute';
    const permuted = b.engine(at, b.pricing.engine('mulGather', shape.slots * elements), [whole, encryptedS[at]!]);
    const batch = flows.giveAll(at, elements, [permuted]);
    if (at === 0) return batch;
    whole = flows.stream(batch, at - 1, 'precompute').whole;
  }
}

/** D_i, its proof, c⁻¹ and com_i on all nodes at once; returns the tasks after which each has all commitments. */
function reveal(flows: Flows, revealed: Handed): TaskId[] {
  const { builder: b, shape, positions } = flows;
  const { pricing } = b;
  const { width, slots } = shape;
  b.phase = 'reveal';
  const got = positions.map((at) => (at === 0 ? revealed.root : flows.stream(revealed, at, 'precompute').whole));
  const committed = positions.map((at) => {
    const shares = b.engine(at, pricing.engine('powShared', slots * width), [got[at]!]);
    const [weighed, nonces] = pricing.proof(slots, width);
    const proved = b.engine(at, nonces, [b.engine(at, weighed, [shares])]);
    const inverse = b.engine(at, pricing.engine('invertBatch', slots * width), [proved]);
    const prepared = b.engine(at, pricing.engine('prepare', slots * width), [inverse]);
    return [b.main(at, pricing.main('commit', slots * width), [prepared])];
  });
  b.phase = undefined;
  const all = flows.allSay(committed, 2 * DIGEST_BYTES + SIGNATURE_BYTES);
  return positions.map((at) => b.join(at, [all[at]!], 'STANDBY'));
}
