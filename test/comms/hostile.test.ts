// Hostile input on every call of every service: whatever comes over the wire ends with an error that has a code, never with
// INTERNAL, never with a crash, a hang or a call that works no more.
import fc from 'fast-check';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { RoundId } from '../../src/base/ids.js';
import { grpc, services } from '../../src/comms/grpc.js';
import { type RoundInfo, roundDigest } from '../../src/round/roundInfo.js';
import { messageDigest } from '../../src/round/teamMessages.js';
import { counted, keyShareMessage, never, RawClient, wireCode, zeros } from './support.js';
import { RealTeam, type TeamNode } from './team.js';

let team: RealTeam;
let info: RoundInfo;
let teamClient: RawClient;
let gateway: RawClient;
let scheduler: RawClient;
let target: TeamNode;

beforeAll(async () => {
  team = await RealTeam.start(3);
  // Node 2 of 3: called by node 1, its predecessor in the ring.
  target = team.nodes[1]!;
  const { address, gatewayAddress, certificate } = target.member;
  teamClient = new RawClient(address, certificate, team.nodes[0]!.certificate);
  gateway = new RawClient(gatewayAddress, certificate);
  const { schedulerAddress, schedulerIdentity } = team;
  scheduler = new RawClient(schedulerAddress, schedulerIdentity.certificate.certificate, target.certificate);
  info = await team.collecting();
});
afterAll(async () => {
  for (const client of [teamClient, gateway, scheduler]) client.close();
  await team.close();
});

/** After each test: the listeners answer, and the round that was open before still takes messages. */
afterEach(async () => {
  expect(await team.nodes[0]!.link.ping(target.node, never)).toMatch(/^[0-9a-f]{32}$/);
  expect(wireCode(await gateway.call('/millrace.v1.Gateway/Describe', zeros(0)))).toBe('ok');
  expect(wireCode(await scheduler.call('/millrace.v1.Scheduler/Report', goodReport()))).toBe('ok');
  for (const { runner } of team.nodes) expect(runner.stages.get(info.round)).toBe('QUEUED');
});

type Service = 'Team' | 'Gateway' | 'Scheduler';
const METHODS: Readonly<Record<Service, readonly string[]>> = {
  Team: ['Deliver', 'Ping', 'Transfer'],
  Gateway: ['Describe', 'Register', 'Rounds', 'Submit', 'Outcome', 'Outputs'],
  Scheduler: ['Updates', 'Report'],
};
const calls = Object.entries(METHODS).flatMap(([service, methods]) =>
  methods.map((method) => ({ service: service as Service, method })),
);
const clientOf = (service: Service): RawClient =>
  ({ Team: teamClient, Gateway: gateway, Scheduler: scheduler })[service];
const pathOf = (service: Service, method: string) => `/millrace.v1.${service}/${method}`;

/** The bytes of a message as its own client would send them. */
function encoded(service: Service, method: string, message: object): Uint8Array {
  const definition = services[service].service[method as never] as grpc.MethodDefinition<object, object>;
  return definition.requestSerialize(message);
}

const goodReport = () =>
  encoded('Scheduler', 'Report', { progress: { round: info.round, phase: 'generate', fraction: 0.5 } });

/** Sends one message, as a stream's only frame where the call is a stream. */
async function send(service: Service, method: string, message: Uint8Array): Promise<string> {
  const path = pathOf(service, method);
  const client = clientOf(service);
  if (method === 'Transfer') return wireCode(await client.stream(path, [message]));
  // Updates never ends by itself: what is not refused soon is accepted.
  if (method === 'Updates') {
    const error = await client.call(path, message, 200);
    return error?.code === grpc.status.DEADLINE_EXCEEDED ? 'ok' : wireCode(error).replace('LINK_TIMEOUT', 'ok');
  }
  return wireCode(await client.call(path, message));
}

const TYPED = /^(?!INTERNAL$)[A-Z_]+$|^ok$/;

it('every service of the protocol is in the list of this test', () => {
  for (const service of Object.keys(METHODS) as Service[]) {
    const known = Object.keys(services[service].service).filter((name) => /^[A-Z]/.test(name));
    expect([...METHODS[service]].sort()).toEqual(known.sort());
  }
});

describe.each(calls)('$service/$method', ({ service, method }) => {
  const quiet = ['Ping', 'Describe', 'Rounds', 'Updates'].includes(method);

  it('answers an empty message with a code', async () => {
    const code = await send(service, method, zeros(0));
    expect(code).toMatch(quiet ? /^ok$/ : /^(MESSAGE_MALFORMED|EPOCH_EXPIRED)$|^ok$/);
    if (!quiet && method !== 'Register') expect(code).toBe('MESSAGE_MALFORMED');
  });

  it('answers random bytes with a code', async () => {
    const bytes = fc.uint8Array({ maxLength: 200 });
    const runs = method === 'Updates' ? 5 : 40;
    const property = fc.asyncProperty(bytes, async (message) => {
      expect(await send(service, method, message)).toMatch(TYPED);
    });
    await fc.assert(property, { numRuns: runs });
  });

  it('answers bytes that are no message with MESSAGE_MALFORMED, and counts it', async () => {
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

  it('outlives a flood of 200 bad calls at once', async () => {
    const flood = Array.from({ length: 200 }, (_, i) => send(service, method, zeros(20).fill(i)));
    for (const code of await Promise.all(flood)) expect(code).toMatch(TYPED);
  });
});

describe('Team.Deliver', () => {
  const deliver = async (changes: object) => {
    const { round, signature } = keyShareMessage(team.nodes[0]!.node, info.round);
    const good = { round, from: team.nodes[0]!.node, signature, keyShare: { share: zeros(64) } };
    return send('Team', 'Deliver', encoded('Team', 'Deliver', { ...good, ...changes }));
  };
  const digest = { digest: zeros(32) };

  it('refuses fields of wrong length, type or range as malformed', async () => {
    const verdict = { proposalDigest: zeros(32), proposalSignature: zeros(64) };
    const bad: readonly object[] = [
      { round: 0 },
      { round: 2 ** 53 },
      { round: 2 ** 63 },
      { from: '' },
      { from: 'AB'.repeat(16) },
      { from: 'x'.repeat(1_000_000) },
      { signature: zeros(63) },
      { signature: zeros(0) },
      { keyShare: undefined },
      { keyShare: undefined, mixCommit: { digest: zeros(31) } },
      { keyShare: undefined, sharesDigest: { digest: zeros(1_000_000) } },
      { keyShare: undefined, tableProposal: { digest: zeros(0), table: zeros(10) } },
      {
        keyShare: undefined,
        commitment: { cipherDigest: zeros(32), revealSignature: zeros(64), commitment: zeros(33) },
      },
      { keyShare: undefined, tableVerdict: { ...verdict, rejections: zeros(4) } },
      { keyShare: undefined, tableVerdict: { ...verdict, rejections: Uint8Array.of(0, 0, 0, 0, 99) } },
      { keyShare: undefined, tableVerdict: { ...verdict, rejections: zeros(20 * 1024 * 1024) } },
      { keyShare: undefined, tableVerdict: { ...verdict, proposalDigest: zeros(0) } },
      { keyShare: undefined, roundError: { code: 'NO_SUCH_CODE', culprit: '', detail: '' } },
      { keyShare: undefined, roundError: { code: 'ROUND_OVER', culprit: 'me', detail: '' } },
      { keyShare: undefined, roundError: { code: 'ROUND_OVER', culprit: '', detail: 'x'.repeat(501) } },
    ];
    for (const changes of bad) expect([changes, await deliver(changes)]).toEqual([changes, 'MESSAGE_MALFORMED']);
  });

  it('refuses what is well-formed but wrong with its own code, and counts it', async () => {
    const before = await counted(target.metrics, 'refused_inputs_total');
    expect(await deliver({})).toBe('SIGNATURE_INVALID');
    expect(await deliver({ round: 999 })).toBe('ROUND_UNKNOWN');
    expect(await deliver({ round: Number.MAX_SAFE_INTEGER })).toBe('ROUND_UNKNOWN');
    // Said by another member than the one that calls.
    expect(await deliver({ from: team.nodes[2]!.node })).toBe('PHASE_SENDER_WRONG');
    // Said in the name of the node itself.
    expect(await deliver({ from: target.node })).toBe('PHASE_SENDER_WRONG');
    expect(await deliver({ keyShare: undefined, outputSignature: digest })).toBe('SIGNATURE_INVALID');
    expect(await counted(target.metrics, 'refused_inputs_total')).toBe(before + 6);
  });

  it('refuses a member that is not in the round', async () => {
    const pair = team.roundInfo({ team: info.team.slice(1) });
    team.feed.open(pair);
    await team.feed.reached(pair.round, 'STANDBY');
    expect(await deliver({ round: pair.round })).toBe('PHASE_SENDER_WRONG');
    const header = { ...goodHeader(), round: pair.round };
    expect(await transfer([{ header }])).toBe('PHASE_SENDER_WRONG');
  });
});

const goodHeader = () => ({
  round: info.round,
  phase: 'realtimeDecrypt',
  slots: info.slots,
  elements: 1,
  chunkSlots: info.chunkSlots,
});
const framed = (frames: readonly object[]) => frames.map((frame) => encoded('Team', 'Transfer', frame));

async function transfer(frames: readonly object[], end = true): Promise<string> {
  return wireCode(await teamClient.stream(pathOf('Team', 'Transfer'), framed(frames), end));
}

describe('Team.Transfer', () => {
  const chunk = { index: 0, content: zeros(128) };
  const trailer = { root: zeros(32), extra: zeros(0), signature: zeros(64) };
  // A batch of before, all of which the target has: its stream may be sent again.
  const again = () => ({ ...goodHeader(), phase: 'precompDecrypt', elements: 2 });

  it('refuses frames in any but the one order', async () => {
    const header = again();
    const orders: readonly (readonly object[])[] = [
      [],
      [{}],
      [{ chunk }],
      [{ trailer }],
      [{ chunk }, { header }],
      [{ header }, { header }],
      [{ header }, {}],
      [{ header }],
    ];
    for (const frames of orders) expect([frames, await transfer(frames)]).toEqual([frames, 'MESSAGE_MALFORMED']);
  });

  it('refuses headers that are malformed, or not those of a batch that can come now', async () => {
    const cases: readonly (readonly [object, string])[] = [
      [{ round: 0 }, 'MESSAGE_MALFORMED'],
      [{ round: 2 ** 53 }, 'MESSAGE_MALFORMED'],
      [{ phase: 'dance' }, 'MESSAGE_MALFORMED'],
      [{ phase: '' }, 'MESSAGE_MALFORMED'],
      [{ phase: 'toString' }, 'MESSAGE_MALFORMED'],
      [{ round: 999 }, 'ROUND_UNKNOWN'],
      [{ phase: 'precompPermute' }, 'PHASE_SENDER_WRONG'],
      [{ phase: 'realtimePermute' }, 'PHASE_SENDER_WRONG'],
      [{ phase: 'mixed' }, 'ROUND_WRONG_PHASE'],
      [{}, 'ROUND_WRONG_PHASE'],
      [{ ...again(), slots: 7 }, 'BATCH_HEADER'],
      [{ ...again(), slots: 0xffffffff }, 'BATCH_HEADER'],
      [{ ...again(), elements: 3 }, 'BATCH_HEADER'],
      [{ ...again(), chunkSlots: 0 }, 'BATCH_HEADER'],
    ];
    for (const [changes, code] of cases) {
      const got = await transfer([{ header: { ...goodHeader(), ...changes } }], false);
      // A retryable refusal is one, too: the phase may come yet.
      expect([changes, got]).toEqual([changes, code]);
    }
  });

  it('refuses chunks out of range or of wrong length without harm to the round', async () => {
    const cases: readonly (readonly [object, string])[] = [
      [{ index: 3 }, 'CHUNK_INDEX'],
      [{ index: 0xffffffff }, 'CHUNK_INDEX'],
      [{ content: zeros(0) }, 'CHUNK_LENGTH'],
      [{ content: zeros(255) }, 'CHUNK_LENGTH'],
      [{ content: zeros(1_000_000) }, 'CHUNK_LENGTH'],
    ];
    for (const [changes, code] of cases) {
      const got = await transfer([{ header: again() }, { chunk: { ...chunk, ...changes } }], false);
      expect([changes, got]).toEqual([changes, code]);
    }
  });

  it('refuses a malformed trailer without harm to the round', async () => {
    for (const changes of [{ root: zeros(31) }, { signature: zeros(0) }]) {
      const got = await transfer([{ header: again() }, { trailer: { ...trailer, ...changes } }], false);
      expect(got).toBe('MESSAGE_MALFORMED');
    }
  });

  it('ends a stream that stays idle, before and after its header', async () => {
    const idle = await Promise.all([transfer([], false), transfer([{ header: again() }], false)]);
    expect(idle).toEqual(['LINK_TIMEOUT', 'LINK_TIMEOUT']);
  });

  it('outlives streams that are opened and cancelled', async () => {
    const { address, certificate } = target.member;
    for (let i = 0; i < 20; i++) {
      const client = new RawClient(address, certificate, team.nodes[0]!.certificate);
      const stream = client.stream(pathOf('Team', 'Transfer'), framed([{ header: again() }]), false);
      if (i % 2) await new Promise((resolve) => setTimeout(resolve, 2));
      client.close();
      void stream;
    }
  });
});

describe('a member that breaks a round by its content', () => {
  it('is named for it, and no other round is touched', async () => {
    const victim = await team.collecting();
    const header = { ...again(victim) };
    // Other bytes than those that this very node sent before: two inputs for one slot.
    const conflict = {
      index: 0,
      content: Uint8Array.of(1, ...zeros(63), 1, ...zeros(63), 1, ...zeros(63), 1, ...zeros(63)),
    };
    const failed = team.feed.reached(victim.round, 'COMPLETED').catch((error) => error);
    expect(await transfer([{ header }, { chunk: conflict }], false)).toBe('CHUNK_CONFLICT');
    expect((await failed).values).toMatchObject({ code: 'CHUNK_CONFLICT', culprit: team.nodes[0]!.node });
    expect(await transfer([{ header: { ...header, phase: 'realtimeDecrypt', elements: 1 } }])).toBe('ROUND_OVER');
  });

  const again = (of: RoundInfo) => ({
    round: of.round,
    phase: 'precompDecrypt',
    slots: of.slots,
    elements: 2,
    chunkSlots: of.chunkSlots,
  });

  it('that says two different things is named for it', async () => {
    const victim = await team.collecting();
    const failed = team.feed.reached(victim.round, 'COMPLETED').catch((error) => error);
    const { key } = team.nodes[0]!;
    const message = { kind: 'sharesDigest', digest: zeros(32) } as const;
    const signature = key.sign(messageDigest(roundDigest(victim), key.nodeId, message));
    const envelope = { round: victim.round, from: key.nodeId, signature, sharesDigest: { digest: zeros(32) } };
    expect(await send('Team', 'Deliver', encoded('Team', 'Deliver', envelope))).toBe('EQUIVOCATION');
    expect((await failed).values).toMatchObject({ code: 'EQUIVOCATION', culprit: key.nodeId });
  });
});

describe('Gateway', () => {
  const submit = (changes: object) => {
    const macs = [zeros(32), zeros(32), zeros(32)];
    const good = { round: info.round, sender: 'ab'.repeat(32), salt: zeros(32), payload: zeros(64), macs };
    return send('Gateway', 'Submit', encoded('Gateway', 'Submit', { ...good, ...changes }));
  };

  it('refuses references that are none', async () => {
    for (const changes of [{ round: 0 }, { round: 2 ** 53 }, { sender: '' }, { sender: 'AB'.repeat(32) }]) {
      expect(await submit(changes)).toBe('MESSAGE_MALFORMED');
      const { round, sender } = { round: info.round, sender: 'ab'.repeat(32), ...changes } as never;
      const outcome = encoded('Gateway', 'Outcome', { round, sender, salt: zeros(16) });
      expect(await send('Gateway', 'Outcome', outcome)).toBe('MESSAGE_MALFORMED');
    }
    expect(await submit({ round: 999 })).toBe('ROUND_UNKNOWN');
    // A well-formed one, at a node that is not the first.
    expect(await submit({})).toBe('PHASE_SENDER_WRONG');
  });

  it('bounds repeated fields', async () => {
    const macs = Array.from({ length: 20_000 }, () => zeros(0));
    expect(await submit({ macs })).toBe('PHASE_SENDER_WRONG');
    const { epoch } = target.registry;
    const senderKeys = Array.from({ length: 20_000 }, () => zeros(0));
    const register = encoded('Gateway', 'Register', { senderKeys, epoch });
    expect(await send('Gateway', 'Register', register)).toBe('MESSAGE_TOO_LARGE');
  });

  it('tells of an unknown round that it is unknown', async () => {
    const outputs = (round: number | RoundId) => send('Gateway', 'Outputs', encoded('Gateway', 'Outputs', { round }));
    expect(await outputs(999)).toBe('ROUND_UNKNOWN');
    expect(await outputs(info.round)).toBe('OUTPUTS_UNKNOWN');
    expect(await outputs(2 ** 60)).toBe('MESSAGE_MALFORMED');
  });

  it('offers no other service than its own', async () => {
    for (const service of ['Team', 'Scheduler'] as const) {
      for (const method of METHODS[service]) {
        const error = await gateway.call(pathOf(service, method), zeros(0));
        expect(error?.code).toBe(grpc.status.UNIMPLEMENTED);
      }
    }
  });
});

describe('Scheduler.Updates', () => {
  it('refuses numbers that are none', async () => {
    const after = encoded('Scheduler', 'Updates', { after: 2 ** 60 });
    expect(await send('Scheduler', 'Updates', after)).toBe('MESSAGE_MALFORMED');
  });
});
