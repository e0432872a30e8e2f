// Settings of the demo's scheduler: the demo's options as keys of scheduler.toml.
import type { RoundFloors } from '../../protocol/index.js';
import type { DemoOptions } from './options.js';

/** Most senders of the demo; a larger batch has senders with several messages. */
export const SENDERS_MAX = 1_000;
/** The grain of the pipeline: large enough to keep an engine busy, small enough for a team's nodes to overlap. */
const CHUNK_SLOTS = 64;
const MINUTE_MS = 60_000;
/** Time to collect a batch. It closes when it is full; this limit is for a batch whose messages have come over from a failed round. */
const COLLECT_MS = 30_000;
const COLLECT_MS_PER_ELEMENT = 5;
/** Least and most rounds held ready or on their way there; demand decides between the two. */
const STOCK_MIN = 2;
const STOCK_MAX = 8;
/** All nodes share this machine: one team by itself keeps its cores busy, and more at once only make all of them late. */
const PRECOMPUTING_PER_NODE = 2;
/** Minimum of distinct senders of a round, if the demo has at least twice as many. */
const MIN_SENDERS = 10;

/** Time after which a node that cannot be reached is lost. Long, because the nodes share few cores, and a slow one is not lost. */
export const PEER_LOST_MS = 20_000;
export const NODE_SETTINGS = { 'limits.peer_lost_ms': PEER_LOST_MS };

const minSenders = (senders: number): number => Math.max(1, Math.min(MIN_SENDERS, Math.floor(senders / 2)));

/** Floors of the demo's own network: exactly the rounds that it was asked for, however small. */
export function demoFloors({ batch, group, teamSize }: DemoOptions): RoundFloors {
  return { team: teamSize, slots: batch, senders: minSenders(Math.min(batch, SENDERS_MAX)), groupBits: group.bits };
}

export function demoSettings(options: DemoOptions): Record<string, string | number> {
  const { rounds, batch, width, group, teamSize, teams } = options;
  const senders = Math.min(batch, SENDERS_MAX);
  // One of the teams mixes. If the number of rounds is known, no more are held ready.
  const most = teams === undefined ? Math.min(STOCK_MAX, rounds) : teams - 1;
  const least = teams === undefined ? Math.min(STOCK_MIN, most) : most;
  return {
    'rounds.team_size': teamSize,
    'rounds.group': group.name,
    'rounds.slots': batch,
    'rounds.width': width,
    'rounds.chunk_slots': Math.min(CHUNK_SLOTS, batch),
    'rounds.min_senders': minSenders(senders),
    'floors.team': teamSize,
    'floors.slots': batch,
    'floors.senders': minSenders(senders),
    'floors.group_bits': group.bits,
    'rounds.quota_per_sender': Math.ceil(batch / senders),
    'rounds.collect_ms': COLLECT_MS + COLLECT_MS_PER_ELEMENT * batch * width,
    // Generous: the slowest engine on the smallest machine must not miss them. `bigint` takes 7 ms for a power at 4096 bits: five of
    // them for each of 1,000 slots, five nodes on two cores, are a minute and a half for one precomputation by itself.
    'rounds.precompute_ms': 60 * MINUTE_MS,
    'rounds.precompute_phase_ms': 20 * MINUTE_MS,
    'rounds.realtime_ms': 10 * MINUTE_MS,
    'rounds.realtime_phase_ms': 4 * MINUTE_MS,
    'pool.precomputing_per_node': PRECOMPUTING_PER_NODE,
    'pool.stock_min': least,
    'pool.stock_max': most,
  };
}
