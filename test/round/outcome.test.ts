// Conclusions of a sender from the answers of its round's nodes: above all, never to send a message again that may come out.
import { describe, expect, it } from 'vitest';
import type { NodeId } from '../../src/base/ids.js';
import { randomBytes } from '../../src/base/rng.js';
import { EpochKey, payloadDigest, SALT_BYTES, SenderKey, submissionMac } from '../../src/cmix/senderKeys.js';
import type { SlotEntry, SlotTable } from '../../src/cmix/slotTable.js';
import { isAbsent, judgeOutcomes, type Outcome, type Verdict } from '../../src/protocol/outcome.js';
import { initialState, step } from '../../src/round/machine/reducer.js';
import { findOutcome } from '../../src/round/outcome.js';
import type { RoundContext } from '../../src/round/run/context.js';
import { Realtime } from '../../src/round/run/realtime.js';
import type { Round } from '../../src/round/run/round.js';
import { roundDigest } from '../support/cmix.js';
import { heard } from '../support/roundEvents.js';
import { SeededRng } from '../support/seededRng.js';

const mixed: Outcome = { state: 'mixed' };
const pending: Outcome = { state: 'pending' };
const rejected: Outcome = { state: 'rejected', reason: 'MAC_INVALID', node: 'n' as NodeId };
const kept: Outcome = { state: 'failed', code: 'PEER_LOST', resendable: true };
const opened: Outcome = { state: 'failed', code: 'PEER_LOST', resendable: false };
const waiting: Outcome = { state: 'unknown', resendable: false };
const absent: Outcome = { state: 'unknown', resendable: true };

describe('the verdict on a team’s answers, for a whole round', () => {
  it.each<[string, (Outcome | undefined)[], Verdict]>([
    ['nobody answers', [undefined, undefined], 'wait'],
    ['the first node has it, the others have not heard', [pending, waiting, waiting], 'wait'],
    ['nobody knows it yet', [waiting, waiting], 'wait'],
    ['one has mixed it, which its outputs are to show', [waiting, mixed, undefined], 'wait'],
    ['one has mixed it and another one failed after opening', [opened, mixed], 'wait'],
    ['a node has rejected it, and the round goes on', [pending, rejected], 'wait'],
    ['one says it failed, against all others', [kept, mixed, mixed], 'wait'],
    ['a single one of three answers', [kept, undefined, undefined], 'wait'],
    ['all kept their shares', [kept, kept, kept], 'resend'],
    ['those that answer kept their shares, half of all', [kept, kept, undefined, waiting], 'resend'],
    ['one may have opened its share', [kept, kept, opened], 'failed'],
    ['all opened', [opened, opened], 'failed'],
    ['one has not heard of the failure yet', [kept, pending], 'wait'],
    ['the table is without it, which says nothing of the others in it', [absent, absent, undefined], 'wait'],
    ['the table is without it, and somebody opened', [absent, opened], 'failed'],
  ])('%s', (_, answers, verdict) => {
    expect(judgeOutcomes(answers)).toBe(verdict);
  });

  it('is to resend only if no answer speaks against it, for any combination of answers', () => {
    const all = [undefined, mixed, pending, rejected, kept, opened, waiting, absent];
    for (const a of all) {
      for (const b of all) {
        for (const c of all) {
          if (judgeOutcomes([a, b, c]) !== 'resend') continue;
          for (const answer of [a, b, c]) expect([undefined, kept, waiting, absent]).toContain(answer);
          expect([a, b, c].filter((answer) => answer === kept).length).toBeGreaterThanOrEqual(2);
        }
      }
    }
  });
});

it('a message is absent from a round if all nodes asked say so, and no answer is missing', () => {
  expect(isAbsent([absent, absent])).toBe(true);
  expect(isAbsent([absent, kept])).toBe(true);
  for (const other of [undefined, mixed, pending, rejected, opened, waiting]) {
    expect(isAbsent([absent, other])).toBe(false);
  }
});

describe('the outcome of a submission', () => {
  it('is found in constant time for any size of table: no entry is read', async () => {
    const rng = new SeededRng('outcomes');
    const node = EpochKey.generate(rng, 1);
    const sender = SenderKey.generate(rng);
    const secret = node.agree(sender.publicKey);
    const entryOf = (): SlotEntry => {
      const fields = {
        sender: sender.senderId,
        salt: randomBytes(rng, SALT_BYTES),
        payloadDigest: payloadDigest(randomBytes(rng, 8)),
      };
      return { ...fields, macs: [submissionMac(secret, { roundDigest, ...fields })] };
    };
    const slots = 3_000;
    const entries: (SlotEntry | null)[] = Array.from({ length: slots }, entryOf);
    const bad = { ...entryOf(), macs: [new Uint8Array(32)] };
    entries[1_500] = bad;
    entries[slots - 2] = null;
    let reads = 0;
    const table = new Proxy<SlotTable>(entries, {
      get(target, name, receiver) {
        reads++;
        return Reflect.get(target, name, receiver) as unknown;
      },
    });
    const team = ['n' as NodeId];
    const facts = { digest: roundDigest, position: 0, info: { quotaPerSender: slots, team } };
    const secretOf = (id: string) => (id === sender.senderId ? secret : undefined);
    const realtime = new Realtime({ facts } as unknown as RoundContext, {
      secretOf,
      hold: () => {},
      mixed: () => {},
    });
    const open = { facts, stage: 'COMPLETED', state: { ...initialState(team, 0), progress: 'outputSignature' } };
    let round = open as unknown as Round;
    const told = (entry: SlotEntry) => findOutcome(round, undefined, entry.sender, entry.salt);
    expect(told(entries[0]!)).toEqual(waiting);
    let pauses = 0;
    const judged = await realtime.judge(table, async () => void pauses++);
    const verdict = { kind: 'tableVerdict', proposalDigest: roundDigest, proposalSignature: roundDigest } as const;
    const { rejections } = judged;
    const [known] = step(initialState(team, 0), heard(0, { ...verdict, rejections }));
    round = { ...open, judged, state: { ...open.state, rejected: known.rejected } } as unknown as Round;
    expect(pauses).toBe(2);
    reads = 0;
    expect(told(entries[0]!)).toEqual(mixed);
    expect(told(entries[slots - 1]!)).toEqual(mixed);
    expect(told(bad)).toEqual(rejected);
    expect(told(entryOf())).toEqual(absent);
    expect(reads).toBe(0);
  });
});
