// The wire codecs: encoded values decode to the same values. For any fields that a peer writes into a message, a decoder either
// returns a value or throws a MixError other than INTERNAL.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isErrorCode, MixError } from '../../src/base/errors.js';
import type { NodeId, RoundId } from '../../src/base/ids.js';
import { SigningKey } from '../../src/cmix/signatures.js';
import { REJECTION_REASONS } from '../../src/cmix/slotTable.js';
import { decodeReport, decodeRound, decodeUpdate, encodeRound } from '../../src/comms/roundCodec.js';
import {
  decodeEnvelope,
  decodeHeader,
  decodeTrailer,
  encodeEnvelope,
  serializeFrame,
} from '../../src/comms/team/codec.js';
import { BATCH_PHASES } from '../../src/protocol/batchPhases.js';
import { type RoundInfo, signRoundInfo } from '../../src/protocol/roundInfo.js';
import { STAGES } from '../../src/protocol/stages.js';
import type { SignedTeamMessage } from '../../src/protocol/teamMessages.js';
import { type grpc, services } from '../../src/transport/grpc.js';
import type { NodeReport__Output } from '../../src/transport/proto/generated/millrace/v1/NodeReport.js';
import type { SignedRoundInfo__Output } from '../../src/transport/proto/generated/millrace/v1/SignedRoundInfo.js';
import { SeededRng } from '../support/seededRng.js';
import { zeros } from './support.js';

const SELF = '0'.repeat(32) as NodeId;

type Definition = grpc.MethodDefinition<object, object>;
type Coder = { readonly serialize: (message: object) => Buffer; readonly deserialize: (bytes: Buffer) => object };

function request(service: 'Team' | 'Gateway' | 'Scheduler', method: string): Coder {
  const definition = services[service].service[method as never] as Definition;
  return { serialize: definition.requestSerialize, deserialize: definition.requestDeserialize };
}

function reply(service: 'Team' | 'Gateway' | 'Scheduler', method: string): Coder {
  const definition = services[service].service[method as never] as Definition;
  return { serialize: definition.responseSerialize, deserialize: definition.responseDeserialize };
}

const over = <T>(coder: Coder, message: object): T => coder.deserialize(coder.serialize(message)) as T;

const text = fc.oneof(
  fc.string({ maxLength: 40 }),
  fc.constantFrom(
    ...STAGES,
    ...BATCH_PHASES,
    'MODP-4096',
    'TEST-64',
    '__proto__',
    'ABORTED',
    'generate',
    'ab'.repeat(16),
  ),
);
const integer = fc.oneof(
  fc.nat(100),
  fc.constantFrom(0, 1, 2 ** 31, 2 ** 32 - 1, 2 ** 53 - 1, 2 ** 53, 2 ** 53 + 2, 2 ** 63),
);
const bytes = fc.oneof(
  fc.uint8Array({ maxLength: 80 }),
  fc.constantFrom(zeros(0), zeros(31), zeros(32), zeros(64), zeros(1_000)),
);
/** An object with any of the fields missing. */
const record = (fields: Record<string, fc.Arbitrary<unknown>>) => fc.record(fields, { requiredKeys: [] });

const digest = record({ digest: bytes });
const envelope = record({
  round: integer,
  from: text,
  signature: bytes,
  keyShare: record({ share: bytes }),
  sharesDigest: digest,
  commitment: record({ cipherDigest: bytes, revealSignature: bytes, commitment: bytes }),
  tableProposal: record({ digest: bytes, table: bytes }),
  tableVerdict: record({ proposalDigest: bytes, proposalSignature: bytes, rejections: bytes }),
  tableSignature: digest,
  mixCommit: digest,
  outputSignature: digest,
  roundError: record({ code: text, culprit: text, detail: text }),
});
const signedRound = record({
  network: text,
  round: integer,
  membership: integer,
  team: fc.array(text, { maxLength: 70 }),
  group: text,
  slots: integer,
  width: integer,
  chunkSlots: integer,
  exponentBytes: integer,
  minSenders: integer,
  quotaPerSender: integer,
  deadlines: record({
    precomputeMs: integer,
    standbyMs: integer,
    collectMs: integer,
    realtimeMs: integer,
    precomputePhaseMs: integer,
    realtimePhaseMs: integer,
  }),
  signature: bytes,
});
const reference = record({ round: integer, reason: text });
const update = record({ number: integer, signature: bytes, open: signedRound, assign: reference, fail: reference });
const stage = record({
  round: integer,
  bootId: text,
  stage: text,
  code: text,
  culprit: text,
  reporter: text,
  detail: text,
});
const report = record({
  online: record({ bootId: text, engine: text, enginePath: text }),
  stage,
  progress: record({ round: integer, phase: text, fraction: fc.double() }),
});
const frame = record({
  header: record({ round: integer, phase: text, slots: integer, elements: integer, chunkSlots: integer }),
  trailer: record({ root: bytes, extra: bytes, signature: bytes }),
});

/** Passes hostile fields over the wire into a decoder, which must return a value or throw a MixError for malformed input. */
function holds<Wire>(fields: fc.Arbitrary<object>, coder: Coder, decode: (wire: Wire) => unknown): void {
  const property = fc.property(fields, (message) => {
    try {
      decode(over<Wire>(coder, message));
    } catch (error) {
      expect(error).toBeInstanceOf(MixError);
      expect((error as MixError).code).toMatch(/^(MESSAGE_MALFORMED|ROUND_INFO_INVALID|GROUP_UNKNOWN)$/);
      expect(isErrorCode((error as MixError).code)).toBe(true);
    }
  });
  fc.assert(property, { numRuns: 400 });
}

const key = SigningKey.generate(new SeededRng(1));
const info: RoundInfo = {
  network: 'n'.repeat(64),
  round: Number.MAX_SAFE_INTEGER as RoundId,
  membership: 2 ** 40,
  team: [key.nodeId, SigningKey.generate(new SeededRng(2)).nodeId],
  group: 'MODP-3072',
  slots: 1 << 20,
  width: 15,
  chunkSlots: 999,
  exponentBytes: 41,
  minSenders: 7,
  quotaPerSender: 9,
  deadlines: {
    precomputeMs: 86_400_000,
    standbyMs: 2,
    collectMs: 3,
    realtimeMs: 4,
    precomputePhaseMs: 86_399_999,
    realtimePhaseMs: 1,
  },
};
const signedInfo = signRoundInfo(info, key);
const overRounds = (round: object): SignedRoundInfo__Output =>
  over<{ rounds: SignedRoundInfo__Output[] }>(reply('Gateway', 'Rounds'), { rounds: [round] }).rounds[0]!;

describe('decoders throw only their own errors', () => {
  it('of team messages', () => holds(envelope, request('Team', 'Deliver'), decodeEnvelope));

  it('of batch headers and trailers', () => {
    const coder = request('Team', 'Transfer');
    holds<{ header: never; trailer: never; frame: string }>(frame, coder, (wire) => {
      if (wire.frame === 'header') decodeHeader(wire.header);
      if (wire.frame === 'trailer') decodeTrailer(wire.trailer);
    });
  });

  it('of RoundInfos', () => {
    const coder = reply('Gateway', 'Rounds');
    const rounds = signedRound.map((round) => ({ rounds: [round] }));
    holds<{ rounds: never[] }>(rounds, coder, (wire) => wire.rounds.map(decodeRound));
  });

  it.each<[string, object]>([
    ['precomputePhaseMs', { precomputePhaseMs: 86_400_001 }],
    ['precomputePhaseMs', { precomputePhaseMs: 0 }],
    ['precomputePhaseMs', { precomputePhaseMs: undefined }],
    ['realtimePhaseMs', { realtimePhaseMs: 5 }],
    ['realtimePhaseMs', { realtimePhaseMs: 2 ** 53 }],
    ['realtimePhaseMs', { realtimePhaseMs: '18446744073709551615' }],
    ['realtimePhaseMs', { realtimePhaseMs: undefined }],
  ])('of a RoundInfo with %s missing or out of range, naming the field (%j)', (name, change) => {
    const { deadlines, ...rest } = encodeRound(signedInfo);
    const wire = overRounds({ ...rest, deadlines: { ...deadlines, ...change } });
    expect(() => decodeRound(wire)).toThrowError(
      expect.objectContaining({
        code: 'ROUND_INFO_INVALID',
        values: expect.objectContaining({ field: `deadlines.${name}` }),
      }),
    );
  });

  it('of scheduler updates', () => holds(update, reply('Scheduler', 'Updates'), decodeUpdate));

  it('of node reports', () =>
    holds(report, request('Scheduler', 'Report'), (wire: NodeReport__Output) => decodeReport(SELF, wire)));
});

const node = fc.stringMatching(/^[0-9a-f]{32}$/);
const fixed = (length: number) => fc.uint8Array({ minLength: length, maxLength: length });
const rejection = fc.record({ slot: fc.nat(2 ** 20), reason: fc.constantFrom(...REJECTION_REASONS) });
const message = fc.oneof(
  fc.record({ kind: fc.constant('keyShare'), share: fc.uint8Array() }),
  fc.record({
    kind: fc.constantFrom('sharesDigest', 'tableSignature', 'mixCommit', 'outputSignature'),
    digest: fixed(32),
  }),
  fc.record({
    kind: fc.constant('commitment'),
    cipherDigest: fixed(32),
    revealSignature: fixed(64),
    commitment: fixed(32),
  }),
  fc.record({ kind: fc.constant('tableProposal'), digest: fixed(32), table: fc.uint8Array() }),
  fc.record({
    kind: fc.constant('tableVerdict'),
    proposalDigest: fixed(32),
    proposalSignature: fixed(64),
    rejections: fc.array(rejection, { maxLength: 20 }),
  }),
  fc.record({
    kind: fc.constant('roundError'),
    code: fc.constantFrom('DEADLINE_MISSED', 'ABORTED'),
    culprit: fc.option(node, { nil: undefined }),
    detail: fc.string({ unit: 'grapheme', maxLength: 100 }),
  }),
);

describe('an encoded value decodes to the same', () => {
  const asHex = (value: unknown): unknown =>
    JSON.parse(
      JSON.stringify(value, (_key, held) =>
        ArrayBuffer.isView(held) ? Buffer.from(held as Uint8Array).toString('hex') : held,
      ),
    );

  it('for every team message', () => {
    const signed = fc.record({
      round: fc.integer({ min: 1, max: 2 ** 53 - 1 }),
      from: node,
      signature: fixed(64),
      message,
    });
    const coder = request('Team', 'Deliver');
    const property = fc.property(signed, (sent) => {
      const got = decodeEnvelope(over(coder, encodeEnvelope(sent as SignedTeamMessage)));
      expect(asHex(got)).toEqual(asHex(sent));
    });
    fc.assert(property, { numRuns: 200 });
  });

  it('for RoundInfos, with a valid signature', () => {
    const got = decodeRound(overRounds(encodeRound(signedInfo)));
    expect(got.info).toEqual(info);
    expect(asHex(got.signature)).toEqual(asHex(signedInfo.signature));
  });
});

describe('digests and signatures', () => {
  const from = key.nodeId;
  const signature = zeros(64);
  const digest = zeros(32);
  const commitment = { cipherDigest: digest, revealSignature: signature, commitment: digest };
  const verdict = { proposalDigest: digest, proposalSignature: signature, rejections: zeros(0) };
  const messages = [
    { sharesDigest: { digest } },
    { commitment },
    { tableVerdict: verdict },
    { tableSignature: { digest } },
    { mixCommit: { digest } },
    { outputSignature: { digest } },
  ];

  /** All byte arrays anywhere in a value. */
  const bytesIn = (value: unknown): Uint8Array[] => {
    if (value instanceof Uint8Array) return [value];
    return typeof value === 'object' && value !== null ? Object.values(value).flatMap(bytesIn) : [];
  };

  it('are copied out of their message: keeping them does not keep the message in memory, and later changes of it do not show', () => {
    const decoded = [
      ...messages.map((message) =>
        decodeEnvelope(over(request('Team', 'Deliver'), { round: 1, from, signature, ...message })),
      ),
      decodeTrailer(
        over<{ trailer: never }>(request('Team', 'Transfer'), { trailer: { root: digest, extra: zeros(0), signature } })
          .trailer,
      ),
    ];
    const found = decoded.flatMap(bytesIn).filter(({ length }) => length > 0);
    expect(found.length).toBe(2 * messages.length + 2 + 1 + 2);
    for (const { length, buffer } of found) expect(buffer.byteLength).toBe(length);
  });
});

describe('a frame of a batch as grpc-js copies it', () => {
  const { serialize } = request('Team', 'Transfer');
  const header = { round: 1, phase: 'mixed', slots: 2 ** 20, elements: 1, chunkSlots: 300 };
  const trailer = { root: zeros(32).fill(1), extra: zeros(9).fill(2), signature: zeros(64).fill(3) };

  /** Copies like grpc-js's filter: five bytes of its own, then the message. */
  function copied(frame: object): Buffer {
    const message = serializeFrame(frame);
    const out = Buffer.alloc(message.length + 5, 0xee);
    message.copy(out, 5);
    expect(out.subarray(0, 5).every((byte) => byte === 0xee)).toBe(true);
    return out.subarray(5);
  }

  const indices = [0, 1, 127, 128, 16_383, 16_384, 2 ** 21, 2 ** 28, 2 ** 31, 2 ** 32 - 1];
  const lengths = [0, 1, 100, 125, 126, 127, 128, 129, 16_379, 16_380, 16_383, 16_384, 2 ** 21];

  it.each(indices)("has the bytes of the service's own serializer: chunk %d, of any length", (index) => {
    for (const length of lengths) {
      const content = new Uint8Array(new SharedArrayBuffer(length)).fill(index % 251);
      const expected = serialize({ chunk: { index, content } });
      expect(Buffer.compare(copied({ chunk: { index, content } }), expected)).toBe(0);
    }
  });

  it('has the same bytes also as a header, a trailer or an empty frame', () => {
    for (const frame of [{ header }, { trailer }, {}]) {
      expect(Buffer.compare(copied(frame), serialize(frame))).toBe(0);
    }
  });
});
