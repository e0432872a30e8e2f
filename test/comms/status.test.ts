// Errors on the wire: an error thrown by a handler arrives at the caller as the same error with any values; errors of grpc-js
// arrive with a code that tells if a retry makes sense.
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type ErrorValues, errorCodes, MixError } from '../../src/base/errors.js';
import { grpc } from '../../src/transport/grpc.js';
import { fromStatus, isTyped, toRefusal, toStatus } from '../../src/transport/status.js';
import { identity, keyShareMessage, Loopback, never } from './support.js';

let loopback: Loopback;
let failWith: unknown;
beforeAll(async () => {
  loopback = await Loopback.start([await identity('a'), await identity('b')]);
  loopback.nodes[1]!.receiver.onMessage = () => Promise.reject(failWith);
});
afterAll(() => loopback.close());

/** The caller's error if the handler throws this. */
async function overTheWire(thrown: unknown): Promise<MixError> {
  failWith = thrown;
  const [a, b] = loopback.nodes;
  try {
    await a!.link.deliver(b!.node, keyShareMessage(a!.node), never);
  } catch (error) {
    return error as MixError;
  }
  throw new Error('the call succeeded');
}

const value = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 25 }),
  fc.constantFrom('a, b; c="d"', ' leading', '100%', 'ключ\u0000\r\n\u2028🔑', '\ud800'),
  fc.integer(),
  fc.double({ noNaN: true, noDefaultInfinity: true }).map((x) => x + 0),
  fc.boolean(),
);
// Small enough to be sent whole after escaping.
const key = fc.string({ maxLength: 12 }).filter((text) => text !== '__proto__');
const values = fc.dictionary(key, value, { maxKeys: 5, noNullPrototype: true });

describe('a MixError', () => {
  it('of every code arrives unchanged', async () => {
    for (const code of errorCodes()) {
      const got = await overTheWire(new MixError(code, { slot: 3, why: 'because' }));
      expect(got).toBeInstanceOf(MixError);
      expect(got.code).toBe(code);
      expect(got.values).toEqual(code === 'INTERNAL' ? {} : { slot: 3, why: 'because' });
    }
  });

  it('keeps its values, with any text', async () => {
    const codes = errorCodes().filter((code) => code !== 'INTERNAL');
    const property = fc.asyncProperty(fc.constantFrom(...codes), values, async (code, held: ErrorValues) => {
      const sent = new MixError(code, held);
      const got = await overTheWire(sent);
      expect(got.code).toBe(code);
      expect(got.values).toEqual(held);
      expect(got.message).toBe(sent.message);
    });
    await fc.assert(property, { numRuns: 150 });
  });

  it('keeps its code if its values are too large to send', async () => {
    for (const length of [1_900, 2_100, 100_000, 1_000_000]) {
      const got = await overTheWire(new MixError('CHUNK_INDEX', { text: 'x'.repeat(length) }));
      expect(got.code).toBe('CHUNK_INDEX');
      expect(Object.keys(got.values).length).toBe(length < 2_000 ? 1 : 0);
    }
  });
});

describe('an error that is not a MixError', () => {
  it('is sent as INTERNAL without any of its text', async () => {
    for (const thrown of [new TypeError('secret path /home/x'), 'secret text', { secret: 1 }, undefined, null]) {
      const got = await overTheWire(thrown);
      expect(got.code).toBe('INTERNAL');
      expect(JSON.stringify([got.message, got.values, (got.cause as grpc.ServiceError).details])).not.toMatch(/secret/);
    }
    const got = await overTheWire(new MixError('INTERNAL', { message: 'secret' }));
    expect(JSON.stringify([got.message, got.values])).not.toMatch(/secret/);
  });
});

const transport = (code: grpc.status, details = ''): grpc.ServiceError =>
  Object.assign(new Error(details), { code, details, metadata: new grpc.Metadata() });

describe('an error of the transport', () => {
  it('is mapped to its code', () => {
    const expected: readonly (readonly [grpc.status, string, string])[] = [
      [grpc.status.UNAVAILABLE, 'connect ECONNREFUSED', 'LINK_DOWN'],
      [grpc.status.UNKNOWN, '', 'LINK_DOWN'],
      [grpc.status.CANCELLED, 'Call cancelled', 'LINK_DOWN'],
      [grpc.status.DEADLINE_EXCEEDED, 'Deadline exceeded', 'LINK_TIMEOUT'],
      [grpc.status.RESOURCE_EXHAUSTED, 'Received message larger than max', 'MESSAGE_TOO_LARGE'],
      [grpc.status.UNIMPLEMENTED, 'no such method', 'MESSAGE_MALFORMED'],
      [
        grpc.status.UNAVAILABLE,
        'No connection established. Last error: certificate has expired',
        'CERTIFICATE_EXPIRED',
      ],
      [grpc.status.UNAVAILABLE, 'Last error: self-signed certificate', 'PEER_UNKNOWN'],
      [grpc.status.UNAVAILABLE, 'Last error: certificate pin does not match: 00', 'PEER_UNKNOWN'],
    ];
    for (const [status, details, code] of expected) {
      const error = fromStatus(transport(status, details), 'node 1');
      expect([details, error.code]).toEqual([details, code]);
      expect(error.values.peer).toBe('node 1');
    }
  });

  it('of an unknown kind still gives a MixError', () => {
    for (const thrown of [undefined, null, 'text', 5, new Error('x'), {}]) {
      expect(fromStatus(thrown, 'peer').code).toBe('LINK_DOWN');
    }
    const same = new MixError('ROUND_OVER');
    expect(fromStatus(same, 'peer')).toBe(same);
  });
});

describe('metadata of a hostile peer', () => {
  const received = (code: string, text: string): MixError => {
    const error = transport(grpc.status.FAILED_PRECONDITION);
    error.metadata.set('mix-code', code);
    error.metadata.set('mix-values', text);
    return fromStatus(error, 'peer');
  };

  it('cannot name a code that does not exist', () => {
    for (const code of ['NO_SUCH_CODE', '__proto__', 'constructor', 'toString', '']) {
      expect(received(code, '{}').code).toBe('LINK_DOWN');
    }
  });

  it('cannot carry anything but plain values, within a limit of bytes', () => {
    for (const text of [
      '',
      '{',
      'null',
      '5',
      '"x"',
      '[1]',
      '{"a":{"b":1}}',
      '{"a":null}',
      `{"a":"${'x'.repeat(3_000)}"}`,
    ]) {
      const { values: got } = received('ROUND_OVER', text);
      expect(Object.values(got).every((held) => ['string', 'number'].includes(typeof held))).toBe(true);
      expect(JSON.stringify(got).length).toBeLessThan(100);
    }
    const polluted = received('ROUND_OVER', '{"__proto__":"x","toString":"y"}');
    expect(({} as { polluted?: string }).toString).toBe(Object.prototype.toString);
    expect(polluted.message).toContain('ROUND_OVER');
  });
});

describe('a refusal by grpc-js itself', () => {
  it('gets a code of ours before it is sent', () => {
    const refused = (code: grpc.status, details: string) => toRefusal({ code, details }).code;
    expect(refused(grpc.status.INTERNAL, 'Error deserializing request')).toBe('MESSAGE_MALFORMED');
    expect(refused(grpc.status.INTERNAL, 'Failed to decompress message')).toBe('MESSAGE_MALFORMED');
    expect(refused(grpc.status.RESOURCE_EXHAUSTED, 'Received message larger than max')).toBe('MESSAGE_TOO_LARGE');
    expect(refused(grpc.status.DEADLINE_EXCEEDED, 'Deadline exceeded')).toBe('LINK_TIMEOUT');
    expect(refused(grpc.status.UNIMPLEMENTED, 'Received a second request message')).toBe('MESSAGE_MALFORMED');
    expect(refused(grpc.status.UNKNOWN, 'Unknown error')).toBe('INTERNAL');
  });

  it('is distinguished from our refusals', () => {
    expect(isTyped({ code: grpc.status.OK, details: 'OK' })).toBe(true);
    expect(isTyped(toStatus(new MixError('ROUND_OVER')))).toBe(true);
    expect(isTyped({ code: grpc.status.INTERNAL, details: '', metadata: null })).toBe(false);
  });
});
