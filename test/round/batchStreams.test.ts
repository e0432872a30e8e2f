// Both ends of a batch stream: chunks in any order, each once; the same chunk again is a retry, a different one a conflict; a
// wrong root, and input after the end.
import { describe, expect, it } from 'vitest';
import { MixError } from '../../src/base/errors.js';
import type { RoundId } from '../../src/base/ids.js';
import { SigningKey } from '../../src/cmix/signatures.js';
import { randomElements } from '../../src/math/sampling.js';
import type { RoundInfo } from '../../src/protocol/roundInfo.js';
import { type BatchTrailer, signTrailer } from '../../src/protocol/teamMessages.js';
import { IncomingBatch, OutgoingBatch } from '../../src/round/exchange/batches.js';
import { engine, flipped, group, outcome, rejection, roundDigest } from '../support/cmix.js';
import { SeededRng } from '../support/seededRng.js';

const info = { round: 1 as RoundId, slots: 5, width: 1, chunkSlots: 2 } as RoundInfo;
const key = SigningKey.generate(new SeededRng('streams'));
const batch = randomElements(new SeededRng('batch'), group, 5);
const chunkOf = (index: number): Uint8Array =>
  batch.slice(index * 2 * group.elementBytes, (index + 1) * 2 * group.elementBytes);

function outgoing(): { out: OutgoingBatch; trailer: BatchTrailer } {
  const out = new OutgoingBatch(info, group, 'mixed', engine.allocate(5));
  out.bytes.set(batch);
  out.readyAll();
  const trailer = signTrailer(key, roundDigest, 'mixed', out.root());
  out.finish(trailer);
  return { out, trailer };
}

function incoming(verify: () => Promise<void> = async () => {}) {
  const events: string[] = [];
  const batchIn = new IncomingBatch(info, group, 'mixed', engine.allocate(5), {
    verify: async () => {
      await verify();
      return undefined;
    },
    complete: () => events.push('complete'),
    misbehaved: (error) => events.push(error.code),
  });
  return { batchIn, events };
}

describe('an incoming batch', () => {
  it('is complete once, for any order of its chunks, and delivers each as it arrives', async () => {
    const { batchIn, events } = incoming();
    const arrived: number[] = [];
    for (const index of [0, 1, 2]) void batchIn.arrival(index).then(() => arrived.push(index));
    batchIn.chunk(2, chunkOf(2));
    await Promise.resolve();
    expect(arrived).toEqual([2]);
    batchIn.chunk(0, chunkOf(0));
    batchIn.chunk(1, chunkOf(1));
    await batchIn.end(outgoing().trailer);
    await batchIn.end(outgoing().trailer);
    expect(Buffer.compare(batchIn.bytes, batch)).toBe(0);
    expect(events).toEqual(['complete']);
  });

  it('accepts the same chunk again as a retry, before and after its end', async () => {
    const { batchIn, events } = incoming();
    for (const index of [0, 0, 1, 2, 1]) batchIn.chunk(index, chunkOf(index));
    await batchIn.end(outgoing().trailer);
    batchIn.chunk(0, chunkOf(0));
    expect(events).toEqual(['complete']);
  });

  it('refuses other contents for a chunk that it has, and keeps the first', () => {
    const { batchIn, events } = incoming();
    batchIn.chunk(0, chunkOf(0));
    expect(outcome(() => batchIn.chunk(0, flipped(chunkOf(0))))).toBe('CHUNK_CONFLICT');
    expect(events).toEqual(['CHUNK_CONFLICT']);
    expect(Buffer.compare(batchIn.bytes.subarray(0, chunkOf(0).length), chunkOf(0))).toBe(0);
  });

  it('refuses malformed chunks without harm to the batch', () => {
    const { batchIn, events } = incoming();
    for (const index of [-1, 3, 1.5, Number.NaN, 2 ** 32]) {
      expect(outcome(() => batchIn.chunk(index, chunkOf(0)))).toBe('CHUNK_INDEX');
    }
    expect(outcome(() => batchIn.chunk(2, chunkOf(0)))).toBe('CHUNK_LENGTH');
    expect(outcome(() => batchIn.chunk(0, new Uint8Array(0)))).toBe('CHUNK_LENGTH');
    expect(events).toEqual([]);
  });

  it.each([0, 0xff])('refuses elements out of range (bytes %i) and reports the sender', (fill) => {
    const { batchIn, events } = incoming();
    expect(outcome(() => batchIn.chunk(1, chunkOf(1).fill(fill)))).toBe('ELEMENT_RANGE');
    expect(events).toEqual(['ELEMENT_RANGE']);
  });

  it('is not complete while a chunk is missing, and can be sent again', async () => {
    const { batchIn, events } = incoming();
    batchIn.chunk(0, chunkOf(0));
    const missing = await rejection(batchIn.end(outgoing().trailer));
    expect([missing?.code, missing?.retryable]).toEqual(['CHUNK_MISSING', true]);
    for (const index of [0, 1, 2]) batchIn.chunk(index, chunkOf(index));
    await batchIn.end(outgoing().trailer);
    expect(events).toEqual(['complete']);
  });

  it('is refused under another root or another trailer, or by its round', async () => {
    const whole = (made: ReturnType<typeof incoming>) => {
      for (const index of [0, 1, 2]) made.batchIn.chunk(index, chunkOf(index));
      return made;
    };
    const { trailer } = outgoing();
    const wrongRoot = whole(incoming());
    expect((await rejection(wrongRoot.batchIn.end({ ...trailer, root: flipped(trailer.root) })))?.code).toBe(
      'MERKLE_ROOT',
    );
    const twice = whole(incoming());
    await twice.batchIn.end(trailer);
    const second = await rejection(twice.batchIn.end({ ...trailer, extra: new Uint8Array(1) }));
    expect(second?.code).toBe('CHUNK_CONFLICT');
    const unsigned = whole(incoming(() => Promise.reject(new MixError('SIGNATURE_INVALID'))));
    expect((await rejection(unsigned.batchIn.end(trailer)))?.code).toBe('SIGNATURE_INVALID');
    expect([wrongRoot.events, twice.events, unsigned.events]).toEqual([
      ['MERKLE_ROOT'],
      ['complete', 'CHUNK_CONFLICT'],
      ['SIGNATURE_INVALID'],
    ]);
  });

  it('refuses headers of another shape', () => {
    const { batchIn } = incoming();
    const header = outgoing().out.header;
    expect(outcome(() => batchIn.checkHeader(header))).toBeUndefined();
    for (const change of [{ slots: 6 }, { elements: 2 }, { chunkSlots: 1 }]) {
      expect(outcome(() => batchIn.checkHeader({ ...header, ...change }))).toBe('BATCH_HEADER');
    }
  });
});

describe('a batch of a round that has ended', () => {
  it('blames nobody for late chunks: the round is over', async () => {
    const { batchIn, events } = incoming();
    batchIn.chunk(0, chunkOf(0));
    batchIn.abort(over());
    expect(outcome(() => batchIn.chunk(1, chunkOf(1)))).toBe('ROUND_OVER');
    expect((await rejection(batchIn.end(outgoing().trailer)))?.code).toBe('ROUND_OVER');
    expect((await rejection(batchIn.arrival(2)))?.code).toBe('ABORTED');
    expect(events).toEqual([]);
  });

  it('is acknowledged again if it was whole', async () => {
    const { batchIn, events } = incoming();
    for (const index of [0, 1, 2]) batchIn.chunk(index, chunkOf(index));
    await batchIn.end(outgoing().trailer);
    batchIn.abort(over());
    batchIn.chunk(1, chunkOf(1));
    await batchIn.end(outgoing().trailer);
    expect(events).toEqual(['complete']);
  });
});

describe('an outgoing batch', () => {
  it('gives the same bytes to every attempt, as soon as they are ready', async () => {
    const out = new OutgoingBatch(info, group, 'mixed', engine.allocate(5));
    const early = out.chunk(1);
    out.place(1).set(chunkOf(1));
    out.ready(1);
    expect(Buffer.compare(await early, chunkOf(1))).toBe(0);
    expect(await out.chunk(1)).toBe(await early);
  });

  it('has no root to sign if it has no receivers', async () => {
    const kept = new OutgoingBatch(info, group, 'realtimeDecrypt', engine.allocate(5), true);
    kept.place(1).set(chunkOf(1));
    kept.readyAll();
    expect(Buffer.compare(await kept.chunk(1), chunkOf(1))).toBe(0);
    expect(outcome(() => kept.root())).toBe('INTERNAL');
  });

  it('rejects pending waits when its round ends', async () => {
    const out = new OutgoingBatch(info, group, 'mixed', engine.allocate(5));
    out.abort(over());
    expect((await rejection(out.chunk(0)))?.code).toBe('ABORTED');
    expect((await rejection(out.trailer()))?.code).toBe('ABORTED');
  });
});

const over = (): MixError => new MixError('ABORTED');
