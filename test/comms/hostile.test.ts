// Hostile input on every call of every service: every input ends with an error that has a code, never with INTERNAL, a crash, a
// hang or a broken call.
import fc from 'fast-check';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { RoundId } from '../../src/base/ids.js';
import type { RoundInfo } from '../../src/protocol/roundInfo.js';
import { grpc, services } from '../../src/transport/grpc.js';
import { encoded, HostileSetting, METHODS, pathOf, type Service } from './hostileSetting.js';
import { counted, zeros } from './support.js';
import type { RealTeam, TeamNode } from './team.js';

let at: HostileSetting;
let team: RealTeam;
let target: TeamNode;
let info: RoundInfo;
beforeAll(async () => {
  at = await HostileSetting.start();
  ({ team, target, info } = at);
});
afterAll(() => at.close());
afterEach(() => at.expectUnharmed());

const send = (service: Service, method: string, message: Uint8Array) => at.send(service, method, message);

const calls = Object.entries(METHODS).flatMap(([service, methods]) =>
  methods.map((method) => ({ service: service as Service, method })),
);
const TYPED = /^(?!INTERNAL$)[A-Z_]+$|^ok$/;

it('every service of the protocol is covered by this test', () => {
  for (const service of Object.keys(METHODS) as Service[]) {
    const known = Object.keys(services[service].service).filter((name) => /^[A-Z]/.test(name));
    expect([...METHODS[service]].sort()).toEqual(known.sort());
  }
});

describe.each(calls)('$service/$method', ({ service, method }) => {
  const quiet = ['Ping', 'Describe', 'Rounds', 'Updates', 'Warm'].includes(method);

  it('answers an empty message with a code', async () => {
    const code = await send(service, method, zeros(0));
    expect(code).toMatch(quiet ? /^ok$/ : /^(MESSAGE_MALFORMED|EPOCH_EXPIRED|TOKEN_REFUSED)$|^ok$/);
    if (!quiet && method !== 'Register' && method !== 'Authenticate') expect(code).toBe('MESSAGE_MALFORMED');
  });

  it('answers random bytes with a code', async () => {
    const bytes = fc.uint8Array({ maxLength: 200 });
    const property = fc.asyncProperty(bytes, async (message) => {
      expect(await send(service, method, message)).toMatch(TYPED);
    });
    await fc.assert(property, { numRuns: 40 });
  });

  it('answers undecodable bytes with MESSAGE_MALFORMED, and counts them', async () => {
    const metrics = service === 'Scheduler' ? team.schedulerMetrics : target.metrics;
    const labels = { method, code: 'MESSAGE_MALFORMED' };
    const before = await counted(metrics, 'calls_failed_total', labels);
    // Field 15, length-delimited, longer than the message; and thousands of nested groups.
    const truncated = Uint8Array.of(0x7a, 0xff, 0xff, 0xff, 0x7f);
    const nested = zeros(50_000).fill(0xfb);
    for (const message of [truncated, nested]) {
      expect(await send(service, method, message)).toBe('MESSAGE_MALFORMED');
    }
    expect(await counted(metrics, 'calls_failed_total', labels)).toBe(before + 2);
  });

  it('refuses a message that is too large, and counts it', async () => {
    const metrics = service === 'Scheduler' ? team.schedulerMetrics : target.metrics;
    const labels = { method, code: 'MESSAGE_TOO_LARGE' };
    const before = await counted(metrics, 'calls_failed_total', labels);
    const length = service === 'Gateway' ? 100_000 : 25 * 1024 * 1024;
    expect(await send(service, method, zeros(length))).toBe('MESSAGE_TOO_LARGE');
    expect(await counted(metrics, 'calls_failed_total', labels)).toBe(before + 1);
  });

  it('survives a flood of 200 concurrent bad calls', async () => {
    const flood = Array.from({ length: 200 }, (_, i) => send(service, method, zeros(20).fill(i)));
    for (const code of await Promise.all(flood)) expect(code).toMatch(TYPED);
  });
});

describe('Gateway', () => {
  const submit = (changes: object) => {
    const macs = [zeros(32), zeros(32), zeros(32)];
    const good = { round: info.round, sender: 'ab'.repeat(32), salt: zeros(32), payload: zeros(64), macs };
    return send('Gateway', 'Submit', encoded('Gateway', 'Submit', { ...good, ...changes }));
  };

  it('refuses malformed references', async () => {
    for (const changes of [{ round: 0 }, { round: 2 ** 53 }, { sender: '' }, { sender: 'AB'.repeat(32) }]) {
      expect(await submit(changes)).toBe('MESSAGE_MALFORMED');
      const { round, sender } = { round: info.round, sender: 'ab'.repeat(32), ...changes } as never;
      const outcome = encoded('Gateway', 'Outcome', { round, sender, salt: zeros(16) });
      expect(await send('Gateway', 'Outcome', outcome)).toBe('MESSAGE_MALFORMED');
    }
    expect(await submit({ round: 999 })).toBe('ROUND_UNKNOWN');
    // Well-formed, at a node that is not the first.
    expect(await submit({})).toBe('PHASE_SENDER_WRONG');
  });

  it('limits repeated fields', async () => {
    const macs = Array.from({ length: 20_000 }, () => zeros(0));
    expect(await submit({ macs })).toBe('PHASE_SENDER_WRONG');
    const { epoch } = target.registry;
    const senderKeys = Array.from({ length: 20_000 }, () => zeros(0));
    const register = encoded('Gateway', 'Register', { senderKeys, epoch });
    expect(await send('Gateway', 'Register', register)).toBe('MESSAGE_TOO_LARGE');
  });

  it('answers that an unknown round is unknown', async () => {
    const outputs = (round: number | RoundId) => send('Gateway', 'Outputs', encoded('Gateway', 'Outputs', { round }));
    expect(await outputs(999)).toBe('ROUND_UNKNOWN');
    expect(await outputs(info.round)).toBe('OUTPUTS_UNKNOWN');
    expect(await outputs(2 ** 60)).toBe('MESSAGE_MALFORMED');
  });

  it('offers no service except its own', async () => {
    for (const service of ['Team', 'Scheduler'] as const) {
      for (const method of METHODS[service]) {
        const error = await at.clients.Gateway.call(pathOf(service, method), zeros(0));
        expect(error?.code).toBe(grpc.status.UNIMPLEMENTED);
      }
    }
  });
});

describe('Scheduler.Updates', () => {
  it('refuses malformed numbers', async () => {
    const after = encoded('Scheduler', 'Updates', { after: 2 ** 60 });
    expect(await send('Scheduler', 'Updates', after)).toBe('MESSAGE_MALFORMED');
  });
});
