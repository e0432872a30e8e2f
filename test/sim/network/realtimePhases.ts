// The realtime part of a round's table: agreement on the slot table, the passes of the messages round both rings, and the opening
// of all shares at once when all nodes hold node 1's commitment. The batch is full when the round is assigned: the measured time
// begins when it closes.
import type { Flows, Handed } from './flows.js';
import type { TaskId } from './plan.js';

const DIGEST_BYTES = 32;
const SIGNATURE_BYTES = 64;
const NONCE_BYTES = 32;
/** A slot in the table: number of MACs, sender, salt, digest; plus each MAC. */
const ENTRY_BYTES = 1 + 32 + 16 + 32;
const MAC_BYTES = 32;
/** Slots per batch of key derivations (src/round/run/realtime.ts). */
const KEY_SLOTS = 256;

/** Returns the doors by which each position is told that the round takes messages. */
export function realtimePhases(flows: Flows, standby: readonly TaskId[]): TaskId[] {
  const { builder: b, positions } = flows;
  b.stage = 'realtime';
  const assigned = positions.map((at) => b.door(at, [standby[at]!], 'QUEUED'));
  const agreed = agreeOnTable(flows, assigned[0]!);
  const permuted = permuteRing(flows, decryptRing(flows, agreed));
  identify(flows, permuted);
  return assigned;
}

interface Agreed {
  /** Per position, the task after which it has all signatures of the table. */
  readonly agreed: readonly TaskId[];
  /** Per position and chunk, the task after which it has the keys. */
  readonly keys: readonly (readonly TaskId[])[];
}

/** Node 1 proposes, all judge, send their rejections, and sign the rest. */
function agreeOnTable(flows: Flows, assigned: TaskId): Agreed {
  const { builder: b, shape, positions } = flows;
  const { pricing } = b;
  const { slots, size } = shape;
  const closed = b.join(0, [assigned], 'closed');
  const encoded = b.main(0, pricing.main('tableOut', slots), [closed]);
  const proposed = flows.say(0, 4 + slots * (ENTRY_BYTES + size * MAC_BYTES) + DIGEST_BYTES, [encoded]);
  const judged = positions.map((at) => {
    const decodeUs = at === 0 ? 0 : pricing.main('tableIn', slots);
    return [b.main(at, decodeUs + pricing.main('judge', slots), [proposed.heard[at]!])];
  });
  const verdicts = flows.allSay(judged, DIGEST_BYTES + SIGNATURE_BYTES);
  const entered = positions.map((at) => b.join(at, [verdicts[at]!], 'REALTIME'));
  // No member rejects anything: the digest is the proposal's.
  const settled = positions.map((at) => b.main(at, pricing.main('settle', slots), [entered[at]!]));
  const signed = positions.map((at) => flows.say(at, DIGEST_BYTES, [b.wait(at, pricing.reserveUs, [settled[at]!])]));
  const agreed = positions.map((at) => flows.allHeard(at, signed));
  return { agreed, keys: positions.map((at) => deriveKeys(flows, at, [signed[at]!.left])) };
}

/** k∘r after this node's signature has left and while all signatures travel, in groups of slots; returns the task of each chunk. */
function deriveKeys({ builder: b, shape }: Flows, at: number, settled: readonly TaskId[]): TaskId[] {
  const { pricing } = b;
  const ready: TaskId[] = [];
  let before = settled;
  for (let first = 0; first < shape.chunks.length; ) {
    let slots = 0;
    let last = first;
    while (last < shape.chunks.length && (slots === 0 || slots + shape.chunks[last]! <= KEY_SLOTS))
      slots += shape.chunks[last++]!;
    const units = slots * shape.width;
    const derived = b.main(at, pricing.main('slotKey', units), before);
    const combined = b.engine(at, pricing.engine('mul', units), [derived]);
    const prepared = b.engine(at, pricing.engine('prepare', units), [combined]);
    for (; first < last; first++) ready[first] = prepared;
    before = [prepared];
  }
  return ready;
}

/** x ← x ∘ (k∘r), 1→N; returns the task after which the last node has its whole output. */
function decryptRing(flows: Flows, { agreed, keys }: Agreed): TaskId {
  const { builder: b, shape, positions } = flows;
  b.phase = 'realtimeDecrypt';
  let taken: readonly TaskId[] | undefined;
  let whole = -1;
  for (const at of positions) {
    const done = shape.chunks.map((slots, k) => {
      const ready = [agreed[at]!, keys[at]![k]!];
      return b.engine(at, b.pricing.engine('mul', slots * shape.width), taken ? [...ready, taken[k]!] : ready);
    });
    if (at + 1 === shape.size) whole = b.join(at, done);
    else taken = flows.stream(flows.give(at, shape.width, done), at + 1, 'realtime').taken;
  }
  b.phase = undefined;
  return whole;
}

interface Permuted {
  /** Per position, the task after which its permutation is done. */
  readonly done: readonly TaskId[];
  readonly mixed: Handed;
}

/** x′ = π(x) ∘ s, N→1, each the whole batch. */
function permuteRing(flows: Flows, lastWhole: TaskId): Permuted {
  const { builder: b, shape } = flows;
  const done: TaskId[] = [];
  let whole = lastWhole;
  b.phase = 'realtimePermute';
  for (let at = shape.size - 1; ; at--) {
    done[at] = b.engine(at, b.pricing.engine('mulGather', shape.slots * shape.width), [whole]);
    const batch = flows.giveAll(at, shape.width, [done[at]!]);
    if (at === 0) {
      b.phase = undefined;
      return { done, mixed: batch };
    }
    whole = flows.stream(batch, at - 1, 'realtime').whole;
  }
}

/** Node 1 commits, all open to all, node 1 reveals x′, all compute the outputs and sign them. */
function identify(flows: Flows, { done, mixed }: Permuted): void {
  const { builder: b, shape, positions } = flows;
  const { pricing } = b;
  const { slots, width } = shape;
  b.phase = 'identify';
  const committed = flows.say(0, DIGEST_BYTES, [mixed.root]);
  const openings = positions.map((at) => flows.giveAll(at, width, [committed.heard[at]!, done[at]!]));
  // Node 1 sends x′ when its own opening is in transit, and signs its root again.
  const shown: Handed = {
    ...mixed,
    chunks: mixed.chunks.map(() => openings[0]!.root),
    root: flows.signAgain(0, [openings[0]!.root]),
  };
  const extraBytes = NONCE_BYTES + DIGEST_BYTES + SIGNATURE_BYTES + 3 * width * pricing.elementBytes;
  const all = positions.map((): TaskId[] => []);
  for (const opening of openings) {
    for (const to of positions) {
      if (to === opening.at) {
        all[to]!.push(opening.root);
        continue;
      }
      const { whole } = flows.stream(opening, to, 'realtime', extraBytes);
      all[to]!.push(b.main(to, pricing.main('commit', slots * width) + pricing.main('verify'), [whole]));
    }
  }
  const signed = positions.map((at) => {
    const seen = at === 0 ? shown.root : flows.stream(shown, at, 'realtime').whole;
    // Its own shares first, x′ last, and the others' shares in a fixed order; a real node multiplies them in order of arrival.
    const factors = [all[at]![at]!, ...all[at]!.filter((_, from) => from !== at), seen];
    let out: TaskId | undefined;
    for (const factor of factors) {
      const work = out === undefined ? 'mul' : 'mulPlain';
      out = b.engine(at, pricing.engine(work, slots * width), out === undefined ? [factor] : [factor, out]);
    }
    return [b.main(at, pricing.main('decode', slots), [out!])];
  });
  b.phase = undefined;
  const ended = flows.allSay(signed, DIGEST_BYTES);
  for (const at of positions) b.join(at, [ended[at]!], 'COMPLETED');
}
