// The sending end: a node's hosts and team link, new ones for every batch. Before a warm batch it acts like a node that collects
// messages (round/exchange/warmUp.ts), then it sends the batch at once.
import { createHash, randomFillSync } from 'node:crypto';
import { once } from 'node:events';
import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Deferred, deferred, type RoundId, systemClock, systemRng } from '../../base/index.js';
import { silentLog } from '../../base/log.js';
import { createMetrics } from '../../base/metrics.js';
import { SIGNATURE_BYTES } from '../../cmix/index.js';
import { encodeEnvelope, TEAM_HOST_OPTIONS, TeamLink } from '../../comms/index.js';
import { groupOfBits } from '../../math/index.js';
import { type BatchSource, isRealtime, type Member, Membership, type RoundInfo } from '../../protocol/index.js';
import { LinkWarmUp } from '../../round/index.js';
import { HostManager, keepWarmMs, LinkMetrics, peerFacts, services, transmit, unary } from '../../transport/index.js';
import type { TeamClient } from '../../transport/proto/generated/millrace/v1/Team.js';
import { SERVER_ADDRESS } from './forwarder.js';
import type { Answers, EndFacts, Measured, Measurement, Ports } from './messages.js';
import type { LinkMode, LinkWindows } from './plan.js';
import { asMember, NETWORK, type OwnEnd, setSysctl } from './self.js';
import { dialling } from './windows.js';

const never = new AbortController().signal;
const PINGS = 5;
const BLAST_BYTES = 1 << 18;
/** Time limit of a batch and of dialling, far above the slowest case. */
const LIMIT_MS = 240_000;
/** Chunk size and warm-up interval of the demo and of the template of a node. */
const CHUNK_SLOTS = 64;
const KEEP_WARM_MS = 200;
const ROUND = 1 as RoundId;

/** A team's options, except that nothing gives up early. */
const OPTIONS = {
  ...TEAM_HOST_OPTIONS,
  dialTimeoutMs: LIMIT_MS,
  longestDialTimeoutMs: LIMIT_MS,
  sendTimeoutMs: LIMIT_MS,
};

/** A connection to the server's end, like a node's. */
class Sender {
  readonly member: Member;
  readonly hosts: HostManager;
  readonly link: TeamLink;

  constructor({ key, certificate }: OwnEnd, member: Member) {
    const self = { network: NETWORK, id: key.nodeId, sign: (digest: Uint8Array) => key.sign(digest) };
    const metrics = new LinkMetrics(createMetrics());
    const deps = { self, certificate: () => certificate, log: silentLog, metrics, clock: systemClock, rng: systemRng };
    this.member = member;
    this.hosts = new HostManager({}, deps);
    const membership = new Membership(0, [member]);
    this.link = new TeamLink(() => membership, this.hosts, OPTIONS);
  }

  /** Dials the connection of realtime batches. */
  async dial(windows: LinkWindows): Promise<number> {
    const host = this.hosts.current(peerFacts(this.member), OPTIONS);
    const startMs = systemClock.nowMs();
    await dialling(windows, () => host.connect('realtime', systemClock.nowMs() + LIMIT_MS, never));
    return systemClock.nowMs() - startMs;
  }

  async send(mode: LinkMode, content: Uint8Array, slots: number): Promise<number> {
    const { node } = this.member;
    const startMs = systemClock.nowMs();
    if (mode === 'stream') await this.link.transfer(node, makeSource(content, slots), never);
    else await this.#sendWhole(content);
    return systemClock.nowMs() - startMs;
  }

  /** Sends the whole batch in one unary call, on the connection that the stream would use. */
  async #sendWhole(content: Uint8Array): Promise<void> {
    const signature = new Uint8Array(SIGNATURE_BYTES);
    const message = { kind: 'keyShare', share: content } as const;
    const envelope = encodeEnvelope({ round: ROUND, from: this.member.node, signature, message });
    const attempt = unary(services.Team, (client: TeamClient, metadata, options, done) =>
      client.deliver(envelope, metadata, options, done),
    );
    const host = this.hosts.current(peerFacts(this.member));
    const options = { lane: 'realtime', signal: never, timeoutMs: LIMIT_MS, idempotent: false } as const;
    await transmit(host, this.hosts.deps.metrics, attempt, options);
  }

  close(): void {
    this.hosts.close();
  }
}

/** Makes the source of a complete batch, in a node's chunks. */
function makeSource(content: Uint8Array, slots: number): BatchSource {
  const slotBytes = content.length / slots;
  const chunkSlots = Math.min(CHUNK_SLOTS, slots);
  const chunkBytes = chunkSlots * slotBytes;
  const trailer = { root: new Uint8Array(32), extra: new Uint8Array(0), signature: new Uint8Array(SIGNATURE_BYTES) };
  return {
    header: { round: ROUND, phase: 'realtimeDecrypt', slots, elements: 1, chunkSlots },
    chunks: Math.ceil(slots / chunkSlots),
    chunk: async (index) => content.subarray(index * chunkBytes, (index + 1) * chunkBytes),
    trailer: async () => trailer,
  };
}

/** Makes a round of these two nodes, in which messages are being collected. */
function makeRound(own: OwnEnd, member: Member, { payloads, bits }: Measurement): RoundInfo {
  const limitMs = LIMIT_MS;
  return {
    ...{ network: NETWORK, round: ROUND, membership: 0, team: [own.key.nodeId, member.node] },
    ...{ group: groupOfBits(bits).name, slots: payloads, width: 1, chunkSlots: Math.min(CHUNK_SLOTS, payloads) },
    ...{ exponentBytes: 32, minSenders: 1, quotaPerSender: payloads },
    deadlines: {
      ...{ precomputeMs: limitMs, standbyMs: limitMs, collectMs: limitMs, realtimeMs: limitMs },
      ...{ precomputePhaseMs: limitMs, realtimePhaseMs: limitMs },
    },
  };
}

/** Keeps a link warm while messages are collected, as a node does; ends with the end of a warm-up. */
async function collect(own: OwnEnd, { link, member }: Sender, measurement: Measurement): Promise<readonly number[]> {
  const pauseMs = keepWarmMs(KEEP_WARM_MS);
  const untilMs = systemClock.nowMs() + measurement.collectMs;
  const warmMs: number[] = [];
  const enough: Deferred<void> = deferred();
  const probe = {
    warm: async (...[to, phase, bytes, signal]: Parameters<TeamLink['warm']>) => {
      // The test batch uses another connection, long before.
      if (!isRealtime(phase)) return;
      const startMs = systemClock.nowMs();
      try {
        await link.warm(to, phase, bytes, signal);
      } catch (thrown) {
        enough.reject(thrown);
        throw thrown;
      }
      const endMs = systemClock.nowMs();
      warmMs.push(endMs - startMs);
      if (pauseMs === Infinity) sleep(Math.max(0, untilMs - endMs)).then(() => enough.resolve());
      else if (endMs >= untilMs) enough.resolve();
    },
    circle: async () => {},
    roundTripMs: (): undefined => undefined,
  };
  const ports = { clock: systemClock, rng: systemRng, log: silentLog, metrics: createMetrics() };
  const warmUp = new LinkWarmUp({ probe, self: own.key.nodeId, policy: { keepWarmMs: pauseMs }, ...ports });
  const info = makeRound(own, member, measurement);
  warmUp.onStage(info, 'PRECOMPUTING');
  warmUp.onStage(info, 'QUEUED');
  try {
    await enough.promise;
  } finally {
    warmUp.close();
  }
  return warmMs;
}

async function measure(own: OwnEnd, member: Member, measurement: Measurement): Promise<Measured> {
  const { of, payloads, bits, idleMs } = measurement;
  // Setting of this namespace, for sockets made from now on.
  setSysctl('tcp_congestion_control', of.congestion);
  const content = randomFillSync(new Uint8Array((payloads * bits) / 8));
  const digest = createHash('sha256').update(content).digest('hex');
  const sender = new Sender(own, member);
  try {
    const dialMs = await sender.dial(of.windows);
    const warmMs = of.state === 'warm' ? await collect(own, sender, measurement) : [];
    if (idleMs > 0 && of.state === 'warm') await sleep(idleMs);
    return { dialMs, warmMs, ms: await sender.send(of.mode, content, payloads), digest };
  } finally {
    sender.close();
  }
}

/** Returns the shortest of a few round trips, measured as a node does. */
async function ping(own: OwnEnd, member: Member): Promise<number> {
  const sender = new Sender(own, member);
  try {
    let least = Infinity;
    for (let i = 0; i < PINGS; i++) {
      await sender.link.ping(member.node, never);
      least = Math.min(least, sender.link.roundTripMs(member.node) ?? Infinity);
    }
    return least;
  } finally {
    sender.close();
  }
}

/** Sends plain TCP for a while and returns the bytes that arrived. */
async function blast(port: number, ms: number): Promise<{ bytes: number; ms: number }> {
  const socket = connect(port, SERVER_ADDRESS);
  await once(socket, 'connect');
  const filler = new Uint8Array(BLAST_BYTES);
  const startMs = systemClock.nowMs();
  while (systemClock.nowMs() - startMs < ms) if (!socket.write(filler)) await once(socket, 'drain');
  socket.end();
  const [said] = (await once(socket, 'data')) as [Buffer];
  return { bytes: Number(said.toString()), ms: systemClock.nowMs() - startMs };
}

export function clientAnswers(own: OwnEnd): Answers {
  let joined: { server: EndFacts; ports: Ports } | undefined;
  const at = (listener: keyof Ports) => asMember(joined!.server, `${SERVER_ADDRESS}:${joined!.ports[listener]}`);
  return {
    join: async (ask) => {
      joined = ask;
      return { pingMs: await ping(own, at('wide')) };
    },
    measure: (measurement) => measure(own, at(measurement.of.windows), measurement),
    blast: ({ ms }) => blast(joined!.ports.plain, ms),
  };
}
