// A sender's whole path over real connections: register with every node, submit, query the outcome, fetch outputs and verify
// them; and the client's checks of a lying node.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { utf8 } from '../../src/base/bytes.js';
import { systemClock } from '../../src/base/clock.js';
import { MixError } from '../../src/base/errors.js';
import type { NodeId, RoundId } from '../../src/base/ids.js';
import { silentLog } from '../../src/base/log.js';
import { createMetrics } from '../../src/base/metrics.js';
import { systemRng } from '../../src/base/rng.js';
import type { Client } from '../../src/client/client.js';
import { Unsent } from '../../src/client/delivery.js';
import { SigningKey } from '../../src/cmix/signatures.js';
import { GatewayClient } from '../../src/comms/gateway/client.js';
import { addGatewayService } from '../../src/comms/gateway/service.js';
import { Membership } from '../../src/protocol/membership.js';
import { type RoundInfo, signRoundInfo } from '../../src/protocol/roundInfo.js';
import type { RoundManager } from '../../src/round/manager.js';
import { RegistrationDesk } from '../../src/round/submissions/registration.js';
import { ownConnection, pinnedCredentials } from '../../src/transport/calling/channels.js';
import { services } from '../../src/transport/grpc.js';
import { listen } from '../../src/transport/serving/server.js';
import { flipped } from '../support/cmix.js';
import { codeOf, counted } from './support.js';
import { NETWORK, RealTeam } from './team.js';

let team: RealTeam;
beforeAll(async () => {
  team = await RealTeam.start(3);
});
afterAll(() => team.close());

const texts = (count: number, of = 'message') => Array.from({ length: count }, (_, i) => `${of} ${i}`);

/** Submits these texts to a round by `senders` senders; all are accepted. */
async function send(client: Client, info: RoundInfo, messages: readonly string[], senders = 2) {
  const all = Array.from({ length: senders }, () => client.createSender());
  await client.register(all);
  const [round] = (await client.rounds(info.team[0]!)).filter((signed) => signed.info.round === info.round);
  const outgoing = messages.map((text, i) => ({ sender: all[i % senders]!, payload: utf8(text) }));
  const submissions = await client.compose(round!, outgoing);
  expect(await client.submit(info, submissions)).toEqual(messages.map(() => undefined));
  return submissions;
}

describe('a whole round', () => {
  it('delivers every message once, verified, at every node, and reports so to each sender', async () => {
    const client = team.client();
    const info = await team.collecting();
    const messages = texts(6);
    const done = team.feed.reached(info.round, 'COMPLETED');
    const submissions = await send(client, info, messages);
    await done;
    for (const node of info.team) {
      const outputs = await client.outputs(info.round, node);
      expect(outputs.info).toEqual(info);
      expect(outputs.messages.map((bytes) => Buffer.from(bytes).toString()).sort()).toEqual(messages);
      expect(outputs.invalidSlots).toEqual([]);
      for (const submission of submissions) {
        expect(await client.outcome(info, submission, node)).toEqual({ state: 'mixed' });
      }
    }
    const [one] = submissions;
    const never = { ...one!, salt: flipped(one!.salt) };
    expect(await client.outcome(info, never)).toEqual({ state: 'unknown', resendable: true });
  });

  it('goes on if a submission is wrong: each wrong one gets its code, and the others come out', async () => {
    const client = team.client();
    const info = await team.collecting({ quotaPerSender: 5 });
    const done = team.feed.reached(info.round, 'COMPLETED');
    const good = await send(client, info, texts(5, 'good'), 1);
    const sender = client.createSender();
    await client.register([sender]);
    const [round] = await client.rounds(info.team[0]!);
    const [fresh] = await client.compose(round!, [{ sender, payload: utf8('bad') }]);
    const [one] = good;
    const bad = [
      [{ ...fresh!, macs: fresh!.macs.map((mac) => flipped(mac)) }, 'MAC_INVALID'],
      [{ ...fresh!, payload: flipped(fresh!.payload) }, 'MAC_INVALID'],
      [{ ...fresh!, payload: new Uint8Array(64) }, 'ELEMENT_RANGE'],
      [{ ...fresh!, payload: new Uint8Array(64).fill(255) }, 'ELEMENT_RANGE'],
      [{ ...fresh!, payload: fresh!.payload.subarray(1) }, 'LENGTH_MISMATCH'],
      [{ ...fresh!, salt: fresh!.salt.subarray(1) }, 'LENGTH_MISMATCH'],
      [{ ...fresh!, macs: fresh!.macs.slice(1) }, 'LENGTH_MISMATCH'],
      [{ ...fresh!, macs: fresh!.macs.map((mac) => mac.subarray(1)) }, 'LENGTH_MISMATCH'],
      [{ ...fresh!, sender: 'ab'.repeat(32) as never }, 'SENDER_UNKNOWN'],
      [{ ...fresh!, sender: 'nobody' as never }, 'MESSAGE_MALFORMED'],
      [{ ...one!, payload: flipped(one!.payload) }, 'SUBMISSION_REPLAYED'],
      [{ ...one!, salt: flipped(one!.salt) }, 'SENDER_QUOTA'],
      // The same submission again is acknowledged again, and takes no second slot.
      [one!, undefined],
    ] as const;
    const answers = await client.submit(
      info,
      bad.map(([submission]) => submission),
    );
    expect(answers.map((error) => error?.code)).toEqual(bad.map(([, code]) => code));
    const { metrics } = team.node(info.team[0]!);
    expect(await counted(metrics, 'calls_failed_total', { method: 'Submit', code: 'MAC_INVALID' })).toBe(2);
    expect(await counted(metrics, 'refused_inputs_total', { what: 'submission', code: 'ELEMENT_RANGE' })).toBe(2);
    expect(await client.submit(info, [fresh!])).toEqual([undefined]);
    await done;
    const { messages } = await client.outputs(info.round, info.team[1]!);
    expect(messages.map((bytes) => Buffer.from(bytes).toString()).sort()).toEqual(['bad', ...texts(5, 'good')]);
    // Once the round is known to accept no more, the rest is not sent: it may go to another round without an inquiry.
    const late = await client.submit(info, new Array(200).fill(fresh!));
    expect(new Set(late.map((error) => error?.code))).toEqual(new Set(['ROUND_OVER']));
    expect([late[0], late[199]].map((error) => error instanceof Unsent)).toEqual([false, true]);
  });

  it('is not used by a sender with higher floors, even if its authority has signed it', async () => {
    const info = await team.collecting();
    const careful = team.client({ floors: {} });
    await expect(careful.rounds(info.team[0]!)).rejects.toMatchObject({ code: 'ROUND_BELOW_FLOOR' });
    expect(await careful.look()).toMatchObject({ rounds: [], usable: 0 });
    const [signed] = await team.client().rounds(info.team[0]!);
    const messages = [{ sender: careful.createSender(), payload: new Uint8Array(1) }];
    await expect(careful.compose(signed!, messages)).rejects.toMatchObject({ code: 'ROUND_BELOW_FLOOR' });
    team.feed.fail(info.round, 'enough');
  });

  it('is not reported by a node that has lost this round of its own', async () => {
    const { info, signature } = signRoundInfo(await team.collecting(), SigningKey.generate(systemRng));
    const [self, other] = info.team;
    const lost = { info: { ...info, round: 999 as RoundId }, signature };
    const elsewhere = { info: { ...info, round: 998 as RoundId, team: [other!] }, signature };
    const told = team.node(self!).manager.collecting([lost, elsewhere]);
    expect(told.map((round) => round.info.round)).toEqual([info.round, 998]);
    team.feed.fail(info.round, 'enough');
  });

  it('is refused by every node that cannot take its messages', async () => {
    const client = team.client();
    const info = await team.collecting();
    const [submission] = await send(client, info, ['one'], 1);
    const elsewhere = { ...info, team: [...info.team].reverse() };
    expect((await client.submit(elsewhere, [submission!]))[0]!.code).toBe('PHASE_SENDER_WRONG');
    expect((await client.submit({ ...info, round: 999 as RoundId }, [submission!]))[0]!.code).toBe('ROUND_UNKNOWN');
    expect(await codeOf(client.outputs(info.round, info.team[0]!))).toBe('OUTPUTS_UNKNOWN');
    expect(await codeOf(client.outputs(999 as RoundId, info.team[0]!))).toBe('ROUND_UNKNOWN');
    expect(await client.outcome(info, submission!)).toEqual({ state: 'pending' });
    const failed = codeOf(team.feed.reached(info.round, 'COMPLETED'));
    team.feed.fail(info.round, 'enough');
    expect(await failed).toBe('SCHEDULER_FAILED');
    expect(await client.outcome(info, submission!)).toEqual({
      state: 'failed',
      code: 'SCHEDULER_FAILED',
      resendable: true,
    });
    expect(await codeOf(client.outputs(info.round, info.team[0]!))).toBe('ROUND_OVER');
    expect(await client.rounds(info.team[0]!)).toEqual([]);
  });
});

describe('registration', () => {
  const gatewayOf = (index: number) => new GatewayClient(team.nodes[index]!.member, NETWORK);

  it('refuses wrong epochs, wrong keys, too many keys', async () => {
    const gateway = gatewayOf(0);
    const { epoch, epochKey } = await gateway.describe();
    expect(epochKey).toEqual(team.nodes[0]!.registry.publicKey);
    const key = team.client().createSender().key.publicKey;
    expect(await codeOf(gateway.register([key], epoch + 1))).toBe('EPOCH_EXPIRED');
    expect(await codeOf(gateway.register([key], 2 ** 60))).toBe('EPOCH_EXPIRED');
    expect(await codeOf(gateway.register([key.subarray(1)], epoch))).toBe('LENGTH_MISMATCH');
    // Low-order points of Curve25519 give an all-zero secret.
    for (const low of [new Uint8Array(32), Uint8Array.of(1, ...new Uint8Array(31))]) {
      expect(await codeOf(gateway.register([low], epoch))).toBe('DH_SECRET_ZERO');
    }
    const many = Array.from({ length: 33 }, () => key);
    expect(await codeOf(gateway.register(many, epoch))).toBe('MESSAGE_TOO_LARGE');
    expect(await codeOf(gateway.register(many.slice(1), epoch))).toBe('ok');
    gateway.close();
  });

  it('of many senders at once is split, and not repeated in the same epoch', async () => {
    const client = team.client();
    const senders = Array.from({ length: 300 }, () => client.createSender());
    const before = team.nodes[1]!.registry.size;
    const node = team.nodes[1]!.node;
    await client.register(senders, [node]);
    await client.register(senders, [node]);
    expect(team.nodes[1]!.registry.size).toBe(before + 300);
  });
});

/** A lying gateway: it answers like `manager`, with the certificate and key of a real node. */
async function withLiar<T>(
  manager: Partial<RoundManager>,
  use: (client: Client, node: NodeId, membership: Membership) => Promise<T>,
): Promise<T> {
  const { key, certificate, registry, member } = team.nodes[0]!;
  const options = { address: '127.0.0.1:0', certificate, log: silentLog, metrics: createMetrics() };
  const liar = await listen(options, (server, errors) =>
    addGatewayService(server, errors, {
      network: NETWORK,
      node: key.nodeId,
      identityKey: key.publicKey,
      sign: (digest) => key.sign(digest),
      registry,
      registrations: new RegistrationDesk(key.nodeId, registry, systemClock),
      manager: manager as RoundManager,
      collecting: () => (manager as RoundManager).collecting(),
    }),
  );
  const others = team.membership.members.filter(({ node }) => node !== key.nodeId);
  const membership = new Membership(0, [{ ...member, gatewayAddress: `127.0.0.1:${liar.port}` }, ...others]);
  try {
    return await use(team.client({ membership }), key.nodeId, membership);
  } finally {
    await liar.close(0);
  }
}

describe('a client with many sends that wait for a round', () => {
  it('asks each node one question at a time, and shares the answer among them', async () => {
    let asked = 0;
    const collecting = () => {
      asked++;
      return [];
    };
    await withLiar({ collecting }, async (client, node) => {
      const answers = await Promise.all(Array.from({ length: 40 }, () => client.rounds(node)));
      expect([asked, answers.length]).toEqual([1, 40]);
      // A later question gets a fresh answer.
      await client.rounds(node);
      expect(asked).toBe(2);
    });
    const client = team.client();
    const looks = await Promise.all(Array.from({ length: 40 }, () => client.look()));
    expect(new Set(looks).size).toBe(1);
  });
});

describe('a client with a lying node', () => {
  let info: RoundInfo;
  let real: ReturnType<RoundManager['outputs']>;
  beforeAll(async () => {
    const client = team.client();
    info = await team.collecting();
    const done = team.feed.reached(info.round, 'COMPLETED');
    await send(client, info, texts(6));
    await done;
    real = team.nodes[0]!.manager.outputs(info.round);
  });

  const fetched = (lie: object, round = info.round) =>
    withLiar({ outputs: () => ({ ...real, ...lie }) }, (client, node) => codeOf(client.outputs(round, node)));

  it('accepts outputs only with the signatures of the whole team', async () => {
    expect(await fetched({})).toBe('ok');
    expect(await fetched({ outputs: flipped(real.outputs) })).toBe('SIGNATURE_INVALID');
    expect(await fetched({ digest: flipped(real.digest) })).toBe('SIGNATURE_INVALID');
    for (let i = 0; i < 3; i++) {
      const signatures = real.signatures.map((signature, k) => (k === i ? flipped(signature) : signature));
      expect(await fetched({ signatures })).toBe('SIGNATURE_INVALID');
    }
    expect(await fetched({ signatures: real.signatures.slice(1) })).toBe('SIGNATURE_INVALID');
    expect(await fetched({ signatures: [real.signatures[0]!, real.signatures[0]!, real.signatures[0]!] })).toBe(
      'SIGNATURE_INVALID',
    );
  });

  it("accepts a RoundInfo only with the authority's signature, before it allocates memory for the batch", async () => {
    const forger = SigningKey.generate(systemRng);
    const huge = signRoundInfo({ ...info, slots: 1 << 20, width: 15 }, forger);
    // Announces 960 MiB, sends nothing.
    const bytes = { length: (1 << 20) * 15 * 64, subarray: () => new Uint8Array(0) };
    expect(await fetched({ signed: huge, outputs: bytes })).toBe('SIGNATURE_INVALID');
    expect(await fetched({ signed: signRoundInfo(info, forger) })).toBe('SIGNATURE_INVALID');
    expect(await fetched({}, 777 as RoundId)).toBe('MESSAGE_MALFORMED');
    const code = await withLiar({ collecting: () => [signRoundInfo(info, forger)] }, (client, node) =>
      codeOf(client.rounds(node)),
    );
    expect(code).toBe('SIGNATURE_INVALID');
  });

  it('accepts neither too many bytes nor too few', async () => {
    expect(await fetched({ outputs: real.outputs.subarray(1) })).toBe('MESSAGE_MALFORMED');
    expect(await fetched({ outputs: new Uint8Array(real.outputs.length + 64) })).toBe('MESSAGE_MALFORMED');
    const truncated = { length: real.outputs.length, subarray: () => new Uint8Array(10) };
    expect(await fetched({ outputs: truncated })).toBe('MESSAGE_MALFORMED');
    const overflowing = { length: real.outputs.length, subarray: () => new Uint8Array(real.outputs.length + 1) };
    expect(await fetched({ outputs: overflowing })).toBe('MESSAGE_MALFORMED');
  });

  it('learns nothing of an internal error at the node except that it happened', async () => {
    const broken = () => {
      throw new TypeError('a path, a secret');
    };
    await withLiar({ outputs: broken, outcome: broken, collecting: broken }, async (client, node) => {
      for (const call of [client.outputs(info.round, node), client.rounds(node)]) {
        const error = (await call.then(
          () => undefined,
          (thrown) => thrown,
        )) as MixError;
        expect(error).toBeInstanceOf(MixError);
        expect([error.code, error.values]).toEqual(['INTERNAL', {}]);
      }
    });
  });

  // 24 MiB: more than the windows hold, so that the gateway has to wait for the client.
  const large = () => {
    const signed = signRoundInfo({ ...info, slots: 24_576, width: 15 }, team.authority);
    return { ...real, signed, outputs: new Uint8Array(24_576 * 15 * 64).fill(1) };
  };

  it('receives outputs larger than the windows completely', async () => {
    // All bytes arrived; only then was the digest wrong.
    expect(await fetched(large())).toBe('SIGNATURE_INVALID');
  });

  /** Counts the views and copies that the gateway takes of these outputs. */
  const watched = (outputs: Uint8Array<ArrayBuffer>) => {
    const taken = { views: 0, copies: 0 };
    const subarray = (from: number, to: number) => {
      taken.views++;
      return Uint8Array.prototype.subarray.call(outputs, from, to);
    };
    const slice = (from: number, to: number) => {
      taken.copies++;
      return Uint8Array.prototype.slice.call(outputs, from, to);
    };
    return {
      outputs: Object.defineProperties(outputs, { subarray: { value: subarray }, slice: { value: slice } }),
      taken,
    };
  };
  const FRAME_BYTES = 64 * 1024 - 1024;

  it('shares one copy of the outputs with all others who fetch them', async () => {
    const [first, second] = [0, 1].map(() => team.nodes[0]!.manager.outputs(info.round).outputs);
    expect(first).toBe(second);
    const lie = large();
    const { outputs, taken } = watched(lie.outputs);
    await withLiar({ outputs: () => ({ ...lie, outputs }) }, async (client, node) => {
      const codes = await Promise.all([0, 1, 2].map(() => codeOf(client.outputs(info.round, node))));
      expect(codes).toEqual(Array(3).fill('SIGNATURE_INVALID'));
    });
    expect(taken).toEqual({ views: 3 * Math.ceil(outputs.length / FRAME_BYTES), copies: 0 });
  });

  it('may disconnect in the middle of the outputs: the gateway stops reading them', async () => {
    const lie = large();
    const { outputs, taken } = watched(lie.outputs);
    await withLiar({ outputs: () => ({ ...lie, outputs }) }, async (_client, node, membership) => {
      const { gatewayAddress, certificate } = membership.get(node);
      const raw = new services.Gateway(gatewayAddress, pinnedCredentials(certificate), ownConnection);
      const call = raw.outputs({ round: info.round });
      call.on('error', () => {});
      await new Promise((resolve) => call.once('data', resolve));
      call.pause();
      call.cancel();
      for (let before = -1; before !== taken.views; ) {
        before = taken.views;
        await new Promise((resolve) => setTimeout(resolve, 100));
      }
      expect(taken.views).toBeGreaterThan(0);
      expect(taken.views).toBeLessThan(outputs.length / FRAME_BYTES / 2);
      raw.close();
    });
  });
});
