// A scheduler's configuration: its keys with their types, defaults and meaning. The parameters of rounds may change while it runs
// (SIGHUP); everything else is read at the start.
import { z } from 'zod';
import { asMixError, checkText, MixError, type NodeId } from '../../base/index.js';
import { checkFloors } from '../../protocol/index.js';
import { checkParams, DEFAULT_PARAMS, type SchedulerParams } from '../../scheduler/index.js';
import { commentedFile, notes, pathIn, readConfig } from './configFile.js';
import {
  addressFor,
  file,
  floorsSection,
  groupName,
  httpHosts,
  identity,
  identityIn,
  logSection,
  network,
  toFloors,
  whole,
} from './sections.js';

const share = z.number().min(0).max(1);
const durationMs = whole(1, 86_400_000);
const d = DEFAULT_PARAMS;

const roundsSection = z
  .strictObject({
    team_size: whole(2, 64).default(d.teamSize).register(notes, { about: 'Nodes that mix a round.' }),
    group: groupName
      .default(d.group)
      .register(notes, { about: 'Group of the elements: a prime of RFC 3526, by its bits.' }),
    slots: whole(1, 1 << 20)
      .default(d.slots)
      .register(notes, { about: 'Messages of a batch.' }),
    width: whole(1, 15).default(d.width).register(notes, { about: 'Elements of a message.' }),
    chunk_slots: whole(1, 1 << 20)
      .default(d.chunkSlots)
      .register(notes, { about: 'Slots of a chunk: the part of a batch that is sent and computed at a time.' }),
    min_senders: whole(1, 1 << 20)
      .default(d.minSenders)
      .register(notes, {
        about: 'Distinct senders that a batch needs to be mixed.',
      }),
    collect_ms: durationMs.default(d.deadlines.collectMs).register(notes, {
      about: 'A batch closes when it is full, or after this time.',
    }),
    quota_per_sender: whole(1, 1 << 20)
      .default(d.quotaPerSender)
      .register(notes, { about: 'Limit of slots of one sender.' }),
    precompute_ms: durationMs.default(d.deadlines.precomputeMs).register(notes, {
      about: 'Deadline of the precomputation. A node that takes longer fails the round.',
    }),
    precompute_phase_ms: durationMs.default(d.deadlines.precomputePhaseMs).register(notes, {
      about: 'Deadline of one phase of the precomputation: at least twice the time of a ring there and back.',
    }),
    realtime_ms: durationMs
      .default(d.deadlines.realtimeMs)
      .register(notes, { about: 'Deadline of the realtime stage.' }),
    realtime_phase_ms: durationMs.default(d.deadlines.realtimePhaseMs).register(notes, {
      about: 'Deadline of one phase of the realtime stage.',
    }),
    collecting: whole(1, 64).default(d.collecting).register(notes, {
      about: 'Rounds that take messages at the same time.',
    }),
    minimum_delay_ms: whole(0, 86_400_000).default(d.minimumDelayMs).register(notes, {
      about: 'Least time between the assignments of two rounds.',
    }),
  })
  .prefault({});

const poolSection = z
  .strictObject({
    threshold: share.default(d.poolThreshold).register(notes, {
      about: 'Share of the registered nodes that must be active before a team is drawn.',
    }),
    stock_min: whole(1, 100_000).default(d.stockMin).register(notes, {
      about: 'Least stock of precomputed rounds. Above it, demand and the time of a precomputation decide.',
    }),
    stock_max: whole(1, 100_000).default(d.stockMax).register(notes, { about: 'Largest stock.' }),
    node_share_max: share.default(d.nodeShareMax).register(notes, {
      about: 'Largest share of the stock that one node is in, if the pool allows.',
    }),
    precomputing_per_node: whole(1, 1024).default(d.precomputingPerNode).register(notes, {
      about: 'Rounds that a node precomputes at the same time.',
    }),
    open_per_node: whole(1, 1024).default(d.openPerNode).register(notes, { about: 'Limit of open rounds of a node.' }),
    stale_ms: whole(1_000, 86_400_000).default(d.staleMs).register(notes, {
      about: 'A node that is silent for longer is inactive.',
    }),
    failure_rate_max: share.default(d.failureRateMax).register(notes, {
      about: 'A node that is to blame for this share of its last rounds, or more, sits out for sit_out_ms.',
    }),
    sit_out_ms: whole(0, 86_400_000).default(d.sitOutMs),
  })
  .prefault({});

const schema = z.strictObject({
  network: network("Name of the network, as in every node's file."),
  data_dir: file('scheduler-data', 'Directory of the records of updates, rounds and registrations.'),
  membership_file: file('membership.toml', 'The members: the same file as on the nodes.'),
  registration: z.enum(['members', 'codes']).default('members').register(notes, {
    about:
      'members: every node of that list is in the pool. codes: nodes that register with a code (millrace scheduler --new-codes 5).',
  }),
  identity: identity("Ed25519: signs rounds and updates. Its public half is [scheduler] key in every node's file."),
  listen: z.strictObject({
    nodes: addressFor('Nodes, by mutual TLS 1.3.', '0.0.0.0:7410'),
    http: addressFor(
      'The live page (/), /status, /rounds, /metrics, /healthz, /readyz. Keep it on loopback.',
      '127.0.0.1:7409',
    ),
    http_hosts: httpHosts('scheduler.internal'),
  }),
  floors: floorsSection,
  rounds: roundsSection,
  pool: poolSection,
  log: logSection,
});

export type SchedulerConfig = z.infer<typeof schema>;

/**
 * Reads a scheduler's configuration; relative paths in it are relative to the file. `flags`: `section.key=value` each.
 * @throws MixError CONFIG_INVALID naming file and key
 */
export function loadSchedulerConfig(
  file: string,
  flags: readonly string[] = [],
  env: NodeJS.ProcessEnv = process.env,
): SchedulerConfig {
  checkText(file, 'file');
  const config = readConfig(schema, file, { prefix: 'MILLRACE_SCHEDULER', env, flags });
  const loaded: SchedulerConfig = {
    ...config,
    data_dir: pathIn(file, config.data_dir),
    membership_file: pathIn(file, config.membership_file),
    identity: identityIn(file, config.identity),
  };
  toParams(loaded);
  checkRoundFloors(loaded, file);
  return loaded;
}

/** Refuses rounds below the floors: no node or sender with these floors would take part. @throws MixError CONFIG_INVALID */
function checkRoundFloors({ rounds, floors }: SchedulerConfig, file: string): void {
  const { team_size, slots, min_senders, group } = rounds;
  const info = { team: new Array<NodeId>(team_size), slots, minSenders: min_senders, group };
  try {
    checkFloors(info, toFloors(floors));
  } catch (cause) {
    throw new MixError('CONFIG_INVALID', { file, key: 'rounds', why: asMixError(cause).message }, { cause });
  }
}

/** Parameters for the scheduler's machine. @throws MixError CONFIG_INVALID */
export function toParams({ rounds, pool }: SchedulerConfig): SchedulerParams {
  return checkParams({
    ...DEFAULT_PARAMS,
    teamSize: rounds.team_size,
    group: rounds.group,
    slots: rounds.slots,
    width: rounds.width,
    chunkSlots: Math.min(rounds.chunk_slots, rounds.slots),
    minSenders: rounds.min_senders,
    quotaPerSender: rounds.quota_per_sender,
    deadlines: {
      ...DEFAULT_PARAMS.deadlines,
      collectMs: rounds.collect_ms,
      precomputeMs: rounds.precompute_ms,
      precomputePhaseMs: rounds.precompute_phase_ms,
      realtimeMs: rounds.realtime_ms,
      realtimePhaseMs: rounds.realtime_phase_ms,
    },
    minimumDelayMs: rounds.minimum_delay_ms,
    collecting: rounds.collecting,
    poolThreshold: pool.threshold,
    stockMin: pool.stock_min,
    stockMax: pool.stock_max,
    nodeShareMax: pool.node_share_max,
    precomputingPerNode: pool.precomputing_per_node,
    openPerNode: pool.open_per_node,
    staleMs: pool.stale_ms,
    failureRateMax: pool.failure_rate_max,
    sitOutMs: pool.sit_out_ms,
  });
}

/** Makes a commented configuration file with the defaults. */
export function schedulerConfigFile(): string {
  const intro =
    'Millrace scheduler. An environment variable (MILLRACE_SCHEDULER_LOG_LEVEL) overrides this file, a flag (--set log.level=debug)\n' +
    'overrides both. ' +
    'Unknown keys are refused.';
  return commentedFile(schema, intro);
}
