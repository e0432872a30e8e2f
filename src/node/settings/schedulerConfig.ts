// A scheduler's configuration: one commented TOML file, as a node's. The parameters of rounds may change while it runs (SIGHUP);
// everything else is read at the start.
import { dirname, resolve } from 'node:path';
import { z } from 'zod';
import { asMixError, MixError, type NodeId } from '../../base/index.js';
import { GROUP_NAMES, type GroupName, TEST_GROUP_NAMES } from '../../math/index.js';
import { checkFloors, SAFE_FLOORS } from '../../protocol/index.js';
import { checkParams, DEFAULT_PARAMS, type SchedulerParams } from '../../scheduler/index.js';
import { address, floorsOf, floorsSection, httpHosts, logSection, validated, whole, withFlags } from './nodeConfig.js';

const groups = [...GROUP_NAMES, ...TEST_GROUP_NAMES] as [GroupName, ...GroupName[]];
const share = z.number().min(0).max(1);
const d = DEFAULT_PARAMS;

const schema = z.strictObject({
  network: z.string().min(1).max(64),
  data_dir: z.string().min(1),
  membership_file: z.string().min(1),
  identity: z.strictObject({
    key_file: z.string().min(1),
    certificate_file: z.string().min(1),
    certificate_key_file: z.string().min(1),
  }),
  listen: z.strictObject({ nodes: address, http: address, http_hosts: httpHosts }),
  registration: z.enum(['members', 'codes']).default('members'),
  rounds: z
    .strictObject({
      team_size: whole(2, 64).default(d.teamSize),
      group: z.enum(groups).default(d.group),
      slots: whole(1, 1 << 20).default(d.slots),
      width: whole(1, 15).default(d.width),
      chunk_slots: whole(1, 1 << 20).default(d.chunkSlots),
      min_senders: whole(1, 1 << 20).default(d.minSenders),
      quota_per_sender: whole(1, 1 << 20).default(d.quotaPerSender),
      collect_ms: whole(1, 86_400_000).default(d.deadlines.collectMs),
      precompute_ms: whole(1, 86_400_000).default(d.deadlines.precomputeMs),
      precompute_phase_ms: whole(1, 86_400_000).default(d.deadlines.precomputePhaseMs),
      realtime_ms: whole(1, 86_400_000).default(d.deadlines.realtimeMs),
      realtime_phase_ms: whole(1, 86_400_000).default(d.deadlines.realtimePhaseMs),
      minimum_delay_ms: whole(0, 86_400_000).default(d.minimumDelayMs),
      collecting: whole(1, 64).default(d.collecting),
    })
    .prefault({}),
  floors: floorsSection,
  pool: z
    .strictObject({
      threshold: share.default(d.poolThreshold),
      stock_min: whole(1, 100_000).default(d.stockMin),
      stock_max: whole(1, 100_000).default(d.stockMax),
      node_share_max: share.default(d.nodeShareMax),
      precomputing_per_node: whole(1, 1024).default(d.precomputingPerNode),
      open_per_node: whole(1, 1024).default(d.openPerNode),
      stale_ms: whole(1_000, 86_400_000).default(d.staleMs),
      failure_rate_max: share.default(d.failureRateMax),
      sit_out_ms: whole(0, 86_400_000).default(d.sitOutMs),
    })
    .prefault({}),
  log: logSection,
});

export type SchedulerConfig = z.infer<typeof schema>;

/** Relative paths are relative to the file. @throws MixError CONFIG_INVALID naming file and key */
export function loadSchedulerConfig(file: string, flags: readonly string[] = []): SchedulerConfig {
  const config = validated(schema, withFlags(file, flags), file);
  const from = (path: string) => resolve(dirname(file), path);
  const { identity } = config;
  const loaded: SchedulerConfig = {
    ...config,
    data_dir: from(config.data_dir),
    membership_file: from(config.membership_file),
    identity: {
      key_file: from(identity.key_file),
      certificate_file: from(identity.certificate_file),
      certificate_key_file: from(identity.certificate_key_file),
    },
  };
  paramsOf(loaded);
  checkRoundFloors(loaded, file);
  return loaded;
}

/** No node of safe floors would take part in such rounds, and no sender. @throws MixError CONFIG_INVALID */
function checkRoundFloors({ rounds, floors }: SchedulerConfig, file: string): void {
  const { team_size, slots, min_senders, group } = rounds;
  const info = { team: new Array<NodeId>(team_size), slots, minSenders: min_senders, group };
  try {
    checkFloors(info, floorsOf(floors));
  } catch (cause) {
    throw new MixError('CONFIG_INVALID', { file, key: 'rounds', why: asMixError(cause).message }, { cause });
  }
}

/** What the machine goes by. @throws MixError CONFIG_INVALID */
export function paramsOf({ rounds, pool }: SchedulerConfig): SchedulerParams {
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

/** A commented file: the one place that documents keys. */
export const SCHEDULER_TEMPLATE = `# Millrace scheduler. --set section.key=value overrides. Unknown keys are refused.

# Name of the network, as in every node's file.
network = "example"
# Updates, rounds and registrations are written down here.
data_dir = "scheduler-data"
# Who may mix: the same file as on the nodes.
membership_file = "membership.toml"
# members: everybody on that list is in the pool. codes: whoever registers with a code (millrace scheduler --new-codes 5).
registration = "members"

[identity]
# Ed25519: signs rounds and updates. Its public half is [scheduler] key in every node's file.
key_file = "identity.key"
certificate_file = "certificate.pem"
certificate_key_file = "certificate.key"

[listen]
# Nodes, by mutual TLS 1.3.
nodes = "0.0.0.0:7410"
# The live page (/), /status, /rounds, /metrics, /healthz, /readyz. Keep it on loopback.
http = "127.0.0.1:7409"
# Other names under which a browser may ask for it; loopback's always may.
# http_hosts = ["scheduler.internal"]

[floors]
# The least that rounds may be, here as on every node and sender; nodes whose floors are higher refuse these rounds.
team = ${SAFE_FLOORS.team}
slots = ${SAFE_FLOORS.slots}
senders = ${SAFE_FLOORS.senders}
group_bits = ${SAFE_FLOORS.groupBits}

[rounds]
team_size = ${d.teamSize}
group = "${d.group}"
slots = ${d.slots}
width = ${d.width}
# A batch is closed when it is full, or after this long; with fewer senders than min_senders it is not mixed.
collect_ms = ${d.deadlines.collectMs}
min_senders = ${d.minSenders}
# Who does not get as far in this time fails the round: all of a stage, and one step of it.
precompute_ms = ${d.deadlines.precomputeMs}
precompute_phase_ms = ${d.deadlines.precomputePhaseMs}
realtime_ms = ${d.deadlines.realtimeMs}
realtime_phase_ms = ${d.deadlines.realtimePhaseMs}
quota_per_sender = ${d.quotaPerSender}
# Rounds that take messages at once, and the least time between two.
collecting = ${d.collecting}
minimum_delay_ms = ${d.minimumDelayMs}

[pool]
# Share of the registered nodes that must be there before a team is drawn.
threshold = ${d.poolThreshold}
# Precomputed rounds to hold; between the two, demand and the time of a precomputation decide.
stock_min = ${d.stockMin}
stock_max = ${d.stockMax}
# Largest share of them that one node is in, where the pool allows.
node_share_max = ${d.nodeShareMax}
precomputing_per_node = ${d.precomputingPerNode}
open_per_node = ${d.openPerNode}
# Silent for longer is inactive; to blame for so large a share of its rounds sits out for a while.
stale_ms = ${d.staleMs}
failure_rate_max = ${d.failureRateMax}
sit_out_ms = ${d.sitOutMs}

[log]
level = "info"
format = "auto"
`;
