// Measures the cost of sending and receiving over a real link: gRPC, protobuf, TLS and system calls, as CPU time of each of two
// processes that talk over the loopback like nodes. A round's own processing of the bytes is not included: it has prices of its
// own.
import { type ChildProcess, fork } from 'node:child_process';
import { randomFillSync } from 'node:crypto';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { toHex } from '../../src/base/bytes.js';
import { systemClock, takeMedian } from '../../src/base/clock.js';
import type { BootId, RoundId } from '../../src/base/ids.js';
import { silentLog } from '../../src/base/log.js';
import { createMetrics } from '../../src/base/metrics.js';
import { systemRng } from '../../src/base/rng.js';
import type { EndFacts } from '../../src/bench/link/messages.js';
import { asMember, NETWORK, type OwnEnd } from '../../src/bench/link/self.js';
import { significant } from '../../src/bench/stats.js';
import { SIGNATURE_BYTES, SigningKey } from '../../src/cmix/signatures.js';
import { TEAM_HOST_OPTIONS, TeamLink } from '../../src/comms/team/link.js';
import { addTeamService } from '../../src/comms/team/service.js';
import type { BatchSource, LinkReceiver } from '../../src/protocol/link.js';
import { Membership } from '../../src/protocol/membership.js';
import { HostManager } from '../../src/transport/calling/hosts.js';
import { createCertificate } from '../../src/transport/certificates.js';
import { LinkMetrics } from '../../src/transport/linkMetrics.js';
import { CallAuthenticator } from '../../src/transport/serving/callAuthenticator.js';
import { addHandshakeService } from '../../src/transport/serving/handshakeService.js';
import { listen } from '../../src/transport/serving/server.js';
import type { Price, TransportWork } from './costFile.js';

/** Argument that makes this file the receiving process. */
const RECEIVER = 'receiver';
const ADDRESS = '127.0.0.1';
const KIB = 1_024;
/** Like a node's chunks: 64 slots of 4096 bits. */
const CHUNK_KIB = 32;
const BATCH_KIB = 512;
const MESSAGE_KIB = 240;
const IDLE_MS = 120_000;
/** Calls until V8 has compiled all hot code. */
const WARM_UP_CALLS = 1_000;
const CALLS = 150;

const never = new AbortController().signal;

async function ownEnd(): Promise<OwnEnd & { readonly facts: EndFacts }> {
  const key = SigningKey.generate(systemRng);
  const certificate = await createCertificate('millrace', 1);
  return { key, certificate, facts: { identityKey: toHex(key.publicKey), certificate: certificate.certificate } };
}

/** Accepts everything, and keeps nothing. */
const nobody: LinkReceiver = {
  onMessage: async () => {},
  onBatch: () => ({ chunk: () => {}, end: async () => {} }),
  onPing: () => '0'.repeat(32) as BootId,
  onScreen: () => [],
  onCircle: () => {},
};

const cpuUs = (): number => {
  const { user, system } = process.cpuUsage();
  return user + system;
};

/** The receiving process: sends its identity, and answers every question with its processor time. */
async function receive(client: EndFacts): Promise<void> {
  const { key, certificate, facts } = await ownEnd();
  const membership = new Membership(0, [asMember(client, `${ADDRESS}:1`)]);
  const self = { id: key.nodeId, sign: (digest: Uint8Array) => key.sign(digest) };
  const ports = { clock: systemClock, rng: systemRng };
  const authenticator = new CallAuthenticator({ network: NETWORK, self, membership: () => membership, ...ports });
  const authenticate = (call: Parameters<CallAuthenticator['admit']>[0]) => void authenticator.admit(call);
  const options = { address: `${ADDRESS}:0`, certificate, authenticate, log: silentLog, metrics: createMetrics() };
  const { port } = await listen(options, (server, errors) => {
    addHandshakeService(server, errors, authenticator);
    const identify = (context: Parameters<CallAuthenticator['identify']>[0]) => authenticator.identify(context);
    addTeamService(server, errors, { receiver: nobody, identify, idleMs: IDLE_MS });
  });
  process.on('message', () => process.send!(cpuUs()));
  process.send!({ ...facts, port });
}

const ask = async (child: ChildProcess): Promise<number> => {
  child.send('cpu');
  const [answer] = await once(child, 'message');
  return answer as number;
};

function batchOf(content: Uint8Array, round: RoundId): BatchSource {
  const slotBytes = 512;
  const chunkBytes = CHUNK_KIB * KIB;
  const [slots, chunkSlots] = [content.length / slotBytes, chunkBytes / slotBytes];
  const trailer = { root: new Uint8Array(32), extra: new Uint8Array(0), signature: new Uint8Array(SIGNATURE_BYTES) };
  return {
    header: { round, phase: 'realtimeDecrypt', slots, elements: 1, chunkSlots },
    chunks: content.length / chunkBytes,
    chunk: async (index) => content.subarray(index * chunkBytes, (index + 1) * chunkBytes),
    trailer: async () => trailer,
  };
}

/** CPU µs of a call at both ends, the median of several. */
async function priceAt(
  call: () => Promise<void>,
  child: ChildProcess,
  repeat: number,
): Promise<readonly [number, number]> {
  for (let i = 0; i < WARM_UP_CALLS; i++) await call();
  const [out, into]: [number[], number[]] = [[], []];
  for (let sample = 0; sample < repeat; sample++) {
    const theirs = await ask(child);
    const own = cpuUs();
    for (let i = 0; i < CALLS; i++) await call();
    out.push((cpuUs() - own) / CALLS);
    into.push(((await ask(child)) - theirs) / CALLS);
  }
  return [takeMedian(out), takeMedian(into)];
}

/** Price per call and per unit, by the line through two sizes. */
function priceOf(small: number, smallKib: number, large: number, largeKib: number): Price {
  const unitUs = Math.max(0, (large - small) / (largeKib - smallKib));
  return { callUs: significant(Math.max(0, small - smallKib * unitUs)), unitUs: significant(unitUs) };
}

/** Prices of messages and batches, at the sending and the receiving end; a unit is a KiB. */
export async function transportPrices(repeat: number): Promise<Record<TransportWork, Price>> {
  const { key, certificate, facts } = await ownEnd();
  const child = fork(fileURLToPath(import.meta.url), [RECEIVER]);
  child.send(facts);
  const [other] = (await once(child, 'message')) as [EndFacts & { readonly port: number }];
  const member = asMember(other, `${ADDRESS}:${other.port}`);
  const self = { network: NETWORK, id: key.nodeId, sign: (digest: Uint8Array) => key.sign(digest) };
  const ports = { log: silentLog, metrics: new LinkMetrics(createMetrics()), clock: systemClock, rng: systemRng };
  const hosts = new HostManager({}, { self, certificate: () => certificate, ...ports });
  const membership = new Membership(0, [member]);
  const link = new TeamLink(() => membership, hosts, TEAM_HOST_OPTIONS);
  const content = randomFillSync(new Uint8Array(BATCH_KIB * KIB));
  const signature = new Uint8Array(SIGNATURE_BYTES);
  let round = 0;
  const nextRound = () => ++round as RoundId;
  const say = (kib: number) => () => {
    const message = { kind: 'keyShare', share: content.subarray(0, kib * KIB) } as const;
    return link.deliver(member.node, { round: nextRound(), from: key.nodeId, message, signature }, never);
  };
  const send = (kib: number) => () =>
    link.transfer(member.node, batchOf(content.subarray(0, kib * KIB), nextRound()), never);
  try {
    const [short, long] = [await priceAt(say(0.125), child, repeat), await priceAt(say(MESSAGE_KIB), child, repeat)];
    const [chunk, batch] = [
      await priceAt(send(CHUNK_KIB), child, repeat),
      await priceAt(send(BATCH_KIB), child, repeat),
    ];
    return {
      messageOut: priceOf(short[0], 0.125, long[0], MESSAGE_KIB),
      messageIn: priceOf(short[1], 0.125, long[1], MESSAGE_KIB),
      batchOut: priceOf(chunk[0], CHUNK_KIB, batch[0], BATCH_KIB),
      batchIn: priceOf(chunk[1], CHUNK_KIB, batch[1], BATCH_KIB),
    };
  } finally {
    hosts.close();
    child.kill();
  }
}

if (process.argv[2] === RECEIVER) process.once('message', (client) => void receive(client as EndFacts));
