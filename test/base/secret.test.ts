// A Secret appears in no text made of it, and is zeros after a wipe.
import { format, inspect } from 'node:util';
import { describe, expect, it } from 'vitest';
import { MixError } from '../../src/base/errors.js';
import { createLog, LOG_LEVELS, type LogOptions } from '../../src/base/log.js';
import { Secret, wipeAll } from '../../src/base/secret.js';
import { findTrace } from '../support/canary.js';

const CANARY = 'canary-canary-canary-canary-1234';
const fresh = (): Secret => new Secret(new Uint8Array(Buffer.from(CANARY)));

/** True if the text contains the canary's bytes in any form. */
const traces = (text: string): boolean => text.includes(CANARY) || findTrace(text, Buffer.from(CANARY)) !== undefined;

/** The output of a log. */
async function logged(
  write: (log: ReturnType<typeof createLog>) => void,
  format: LogOptions['format'] = 'json',
): Promise<string> {
  const lines: string[] = [];
  const destination = { write: (line: string) => void lines.push(line) };
  write(createLog({ name: 'test', level: 'trace', destination, format }));
  // The readable form is a stream of its own.
  await new Promise((resolve) => setTimeout(resolve, 20));
  return lines.join('');
}

describe('a Secret', () => {
  it('prints as [secret] in every kind of text', () => {
    const secret = fresh();
    const texts = [
      `${secret}`,
      String(secret),
      `key=${secret as unknown as string}`,
      inspect(secret),
      inspect({ nested: { deep: [secret] } }, { depth: 9, showHidden: true }),
      inspect(new Map([['key', secret]]), { showProxy: true }),
      format('%s %o %O %j %d', secret, secret, secret, secret, secret),
      JSON.stringify({ secret, list: [secret] }),
      JSON.stringify(secret),
      Object.entries(secret).join(),
      Object.getOwnPropertyNames(secret).join(),
      new MixError('INTERNAL', { message: `${secret}` }).stack ?? '',
    ];
    for (const text of texts) expect(traces(text)).toBe(false);
    for (const text of texts.slice(0, 8)) expect(text).toContain('[secret]');
    // The check itself finds bytes that are not hidden.
    expect(traces(JSON.stringify(new Uint8Array(Buffer.from(CANARY))))).toBe(true);
    expect(traces(inspect(Buffer.from(CANARY).toString()))).toBe(true);
  });

  it('prints as [secret] in log lines, readable or JSON, also within an error', async () => {
    for (const style of ['json', 'pretty'] as const) {
      const text = await logged((log) => {
        const secret = fresh();
        log.info({ secret, other: secret, deep: { list: [secret] } }, 'message %s', secret);
        log.error({ err: Object.assign(new Error('broken'), { secret }) }, 'failed');
        log.child({ bound: secret }).warn('child');
      }, style);
      expect(text).toContain('[secret]');
      expect(traces(text)).toBe(false);
    }
  });

  it('reveals its own bytes, and zeros after it is wiped', () => {
    const bytes = new Uint8Array(Buffer.from(CANARY));
    const secret = new Secret(bytes);
    expect(secret.reveal()).toBe(bytes);
    expect([secret.length, secret.wiped]).toEqual([32, false]);
    secret.wipe();
    secret.wipe();
    expect(secret.wiped).toBe(true);
    expect(bytes).toEqual(new Uint8Array(32));
  });

  it('is wiped along with plain buffers', () => {
    const secret = fresh();
    const plain = Uint8Array.of(1, 2, 3);
    wipeAll(secret, undefined, plain);
    expect(secret.wiped).toBe(true);
    expect(plain).toEqual(Uint8Array.of(0, 0, 0));
  });
});

describe('a log', () => {
  it('redacts fields named after key material, with any contents', async () => {
    const names = ['seed', 'secret', 'privateKey', 'token', 'registrationCode'];
    const text = await logged((log) => {
      for (const name of names) log.info({ [name]: CANARY });
      for (const name of ['seed', 'secret', 'privateKey']) log.info({ outer: { [name]: CANARY } });
    });
    expect(traces(text)).toBe(false);
    expect(text.match(/\[secret\]/g)?.length).toBe(8);
  });

  it('writes one JSON object per line, with its name and level, and nothing below its level', async () => {
    const text = await logged((log) => log.info({ round: 5 }, 'hello'));
    expect(JSON.parse(text)).toMatchObject({ name: 'test', level: 30, round: 5, msg: 'hello' });
    const lines: string[] = [];
    const destination = { write: (line: string) => void lines.push(line) };
    for (const level of LOG_LEVELS) createLog({ name: 'x', level, destination, format: 'json' }).info('x');
    expect(lines.length).toBe(3);
  });

  it('is readable on a terminal', async () => {
    const text = await logged((log) => log.warn({ round: 5 }, 'hello'), 'pretty');
    expect(text).toMatch(/WARN.*hello/);
    expect(text).not.toMatch(/^\{/);
  });
});
