// Metadata that are missing, malformed or stolen, on every call of every listener: each call gets a code, no server crashes, and
// an honest call works afterwards.
import { afterAll, beforeAll, describe, expect } from 'vitest';
import { TOKEN_KEY } from '../../../src/transport/calling/call.js';
import { grpc } from '../../../src/transport/grpc.js';
import { HostileSetting, METHODS, pathOf, type Service } from '../hostileSetting.js';
import { wireCode, zeros } from '../support.js';
import { fault } from './setting.js';

let at: HostileSetting;
beforeAll(async () => {
  at = await HostileSetting.start();
});
afterAll(() => at.close());

const hex = 'ab'.repeat(32);

/** Metadata with the given values of a key. */
function metadata(values: readonly string[], key = TOKEN_KEY): grpc.Metadata {
  const made = new grpc.Metadata();
  for (const value of values) made.add(key, value);
  return made;
}

const WRONG: Readonly<Record<string, grpc.Metadata>> = {
  missing: metadata([]),
  empty: metadata(['']),
  short: metadata([hex.slice(2)]),
  long: metadata([`${hex}ab`]),
  'of other letters': metadata(['zz'.repeat(32)]),
  unknown: metadata([hex]),
  double: metadata([hex, hex]),
  'of 10 KB': metadata(['ab'.repeat(5_000)]),
};

/** Services that refuse a call without a valid token. */
const GUARDED: readonly Service[] = ['Team', 'Scheduler'];

const calls = (Object.keys(METHODS) as Service[]).flatMap((service) =>
  METHODS[service].map((method) => [service, method] as const),
);

async function codeWith(service: Service, method: string, changed: grpc.Metadata): Promise<string> {
  const client = at.clients[service];
  const path = pathOf(service, method);
  if (method === 'Transfer' || method === 'Warm') return wireCode(await client.stream(path, [], true, changed));
  if (method === 'Updates') return wireCode(await client.subscribe(path, zeros(0), changed));
  return wireCode(await client.call(path, zeros(0), changed));
}

describe.each(calls)('%s/%s', (service, method) => {
  fault('refuses each wrong token with a code if it requires one, and ignores it otherwise', async () => {
    for (const [what, changed] of Object.entries(WRONG)) {
      const code = await codeWith(service, method, changed);
      if (GUARDED.includes(service)) expect([what, code]).toEqual([what, 'TOKEN_REFUSED']);
      else expect([what, code]).toEqual([what, expect.stringMatching(/^(?!INTERNAL|untyped)/)]);
    }
  });

  fault('is not harmed by unknown metadata, or metadata that imitate an error of ours', async () => {
    for (const [key, value] of [
      ['mix-code', 'INTERNAL'],
      ['mix-values', '{"a":'],
      ['x-unknown', 'a'.repeat(4_000)],
      ['trace-bin', 'AAAA'],
    ] as const) {
      const code = await codeWith(service, method, key.endsWith('-bin') ? binary(key) : metadata([value], key));
      expect(code).not.toMatch(/INTERNAL|untyped/);
    }
    await at.expectUnharmed();
  });
});

function binary(key: string): grpc.Metadata {
  const made = new grpc.Metadata();
  made.add(key, Buffer.from(zeros(100)));
  return made;
}
