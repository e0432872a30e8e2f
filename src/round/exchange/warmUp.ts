// Warms up a team's links ahead of its rounds, so that a phase finds them at their full rate: TCP starts slowly on a new
// connection, and again on one that was idle for a fraction of a second.
//
//   round opened       a batch of full size to each neighbour in the ring and a ping round the whole ring: both connect the links and
//                      measure them before the first real batch, while this node computes alone
//   batch collected    at intervals as much as a batch to each member, on the connections of realtime
//
// All of it is optional: a round neither waits for it nor fails with it.

import {
  abort,
  asMixError,
  type Clock,
  equalBytes,
  MixError,
  type NodeId,
  type Rng,
  type RoundId,
  randomBytes,
  sleep,
} from '../../base/index.js';
import type { Logger } from '../../base/log.js';
import type { Metrics } from '../../base/metrics.js';
import { namedGroup } from '../../math/index.js';
import {
  type BatchPhase,
  type CirclePing,
  type LinkProbe,
  type RoundInfo,
  ringEntry,
  type Stage,
} from '../../protocol/index.js';

/** Largest warm-up; more would not make a link faster: 1 Gbit/s holds 11 MB in 90 ms, rounded up. */
const WARM_BYTES_MAX = 1 << 24;
/** Initial window of a new TCP connection (RFC 6928): a batch of at most this size needs no warm-up. */
const INITIAL_WINDOW_BYTES = 14_600;
/**
 * Size of a realtime warm-up, in batches. A slow start that sends one batch ends with a window of half to one batch, so that
 * every other batch would take a round trip more; and bbr paces by the rate that it has seen, which grows with the bytes sent.
 * Measured over 90 ms and 1 Gbit/s (`millrace bench link`): 1,000 slots with bbr take 1.5 times the ideal after 1, 1.25 after 2.
 */
const WARM_BATCHES = 2;
/** Round trip below which slow start costs no noticeable time. */
const NEAR_MS = 2;
/** Longest valid round trip round the ring; a longer one is discarded. */
const CIRCLE_TIMEOUT_MS = 30_000;
const CIRCLE_BUCKETS = [1, 3, 10, 30, 100, 200, 300, 500, 1_000, 3_000, 10_000];

interface WarmUpPolicy {
  /**
   * Pause between two warm-ups of a connection while messages are collected; shorter than the idle time after which TCP resets a
   * connection's window. Infinity if the kernel does not reset it (Linux: net.ipv4.tcp_slow_start_after_idle = 0): one is enough.
   */
  readonly keepWarmMs: number;
}

interface WarmUpDeps {
  readonly probe: LinkProbe;
  readonly self: NodeId;
  readonly clock: Clock;
  readonly rng: Rng;
  readonly log: Logger;
  readonly metrics: Metrics;
  readonly policy: WarmUpPolicy;
}

interface WatchedRound {
  readonly info: RoundInfo;
  readonly stop: AbortController;
  /** The ping that this node sent round the ring: its id and time. */
  circle: { readonly id: Uint8Array; readonly sentMs: number } | undefined;
  warming: boolean;
}

export class LinkWarmUp {
  readonly #deps: WarmUpDeps;
  readonly #rounds = new Map<RoundId, WatchedRound>();
  readonly #circleMs;
  readonly #failures;

  constructor(deps: WarmUpDeps) {
    this.#deps = deps;
    const { metrics } = deps;
    this.#circleMs = metrics.histogram(
      'ring_round_trip_ms',
      'Round trip of a ping through the ring of a team',
      CIRCLE_BUCKETS,
    );
    this.#failures = metrics.counter('link_checks_failed_total', 'Test batches and ring pings that failed', ['check']);
  }

  /** A round of this node enters a stage. */
  onStage(info: RoundInfo, stage: Stage): void {
    if (stage === 'PRECOMPUTING') this.#begin(info);
    else if (stage === 'QUEUED') void this.#keepWarm(info.round);
    else if (stage === 'REALTIME') this.#pause(info.round);
    else if (stage === 'COMPLETED' || stage === 'FAILED') this.#end(info.round);
  }

  /**
   * Handles a ping round the ring: passes it on, or records its time if it was this node's. @throws MixError ROUND_UNKNOWN,
   * PHASE_SENDER_WRONG
   */
  onCircle(from: NodeId, ping: CirclePing): void {
    const watched = this.#rounds.get(ping.round);
    if (!watched) throw new MixError('ROUND_UNKNOWN', { round: Number(ping.round) });
    const { team } = watched.info;
    const position = team.indexOf(this.#deps.self);
    if (ringEntry(team, position + team.length - 1) !== from || ping.hop % team.length !== position) {
      throw new MixError('PHASE_SENDER_WRONG', { what: 'circle', hop: ping.hop });
    }
    if (ping.hop < team.length) {
      this.#send(watched, { ...ping, hop: ping.hop + 1 });
      return;
    }
    const { circle } = watched;
    // Counts once: a peer that repeats the ping could otherwise falsify the metric.
    watched.circle = undefined;
    if (!circle || !equalBytes(circle.id, ping.id)) return;
    const ms = this.#deps.clock.nowMs() - circle.sentMs;
    if (ms > CIRCLE_TIMEOUT_MS) return;
    this.#circleMs.observe(ms);
    this.#deps.log.debug({ round: ping.round, ms: Math.round(ms) }, 'ring round trip');
  }

  close(): void {
    for (const round of [...this.#rounds.keys()]) this.#end(round);
  }

  #begin(info: RoundInfo): void {
    if (this.#rounds.has(info.round)) return;
    const watched: WatchedRound = { info, stop: new AbortController(), circle: undefined, warming: false };
    this.#rounds.set(info.round, watched);
    const { team } = info;
    const position = team.indexOf(this.#deps.self);
    // The decrypt ring runs up and the permute ring down: a node sends to both neighbours.
    const neighbours = new Set([ringEntry(team, position + 1), ringEntry(team, position + team.length - 1)]);
    for (const node of neighbours) void this.#test(watched, node);
    if (position !== 0) return;
    const id = randomBytes(this.#deps.rng, 16);
    watched.circle = { id, sentMs: this.#deps.clock.nowMs() };
    this.#send(watched, { round: info.round, id, hop: 1 });
  }

  async #test(watched: WatchedRound, to: NodeId): Promise<void> {
    await this.#warm(watched, to, 'precompDecrypt', 'test batch');
  }

  #send(watched: WatchedRound, ping: CirclePing): void {
    const { team } = watched.info;
    const to = ringEntry(team, ping.hop);
    this.#deps.probe
      .circle(to, ping, watched.stop.signal)
      .catch((thrown) => this.#failed(watched, to, 'circle', thrown));
  }

  /** Keeps the realtime connections to all members warm until the batch is closed. */
  async #keepWarm(round: RoundId): Promise<void> {
    const watched = this.#rounds.get(round);
    if (!watched || watched.warming) return;
    watched.warming = true;
    const { self, clock, policy, probe } = this.#deps;
    const others = watched.info.team.filter((node) => node !== self);
    while (watched.warming) {
      const far = others.filter((node) => (probe.roundTripMs(node) ?? NEAR_MS) >= NEAR_MS);
      await Promise.all(far.map((node) => this.#warm(watched, node, 'realtimeDecrypt', 'warming')));
      if (!Number.isFinite(policy.keepWarmMs)) return;
      await sleep(clock, policy.keepWarmMs, watched.stop.signal);
    }
  }

  async #warm(watched: WatchedRound, to: NodeId, phase: BatchPhase, check: string): Promise<void> {
    const { slots, width, group } = watched.info;
    const isTest = phase === 'precompDecrypt';
    const batchBytes = slots * (isTest ? width + 1 : width) * namedGroup(group).elementBytes;
    if (batchBytes <= INITIAL_WINDOW_BYTES) return;
    const bytes = isTest ? batchBytes : WARM_BATCHES * batchBytes;
    try {
      await this.#deps.probe.warm(to, phase, Math.min(bytes, WARM_BYTES_MAX), watched.stop.signal);
    } catch (thrown) {
      this.#failed(watched, to, check, thrown);
    }
  }

  #failed(watched: WatchedRound, peer: NodeId, check: string, thrown: unknown): void {
    if (watched.stop.signal.aborted) return;
    this.#failures.inc({ check });
    const { code } = asMixError(thrown);
    this.#deps.log.debug({ round: watched.info.round, peer, check, code }, 'link check failed');
  }

  #pause(round: RoundId): void {
    const watched = this.#rounds.get(round);
    if (watched) watched.warming = false;
  }

  #end(round: RoundId): void {
    const watched = this.#rounds.get(round);
    if (!watched) return;
    watched.warming = false;
    abort(watched.stop);
    this.#rounds.delete(round);
  }
}
