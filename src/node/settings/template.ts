// The commented configuration file that `millrace init` writes and the demo fills in: the one place that documents keys.

import { type RoundFloors, SAFE_FLOORS } from '../../protocol/index.js';

interface TemplateValues {
  readonly network: string;
  readonly team: string;
  readonly gateway: string;
  readonly http: string;
  readonly membershipFile: string;
  readonly schedulerAddress: string;
  readonly schedulerCertificateFile: string;
  readonly schedulerKey: string;
  readonly engine: string;
  readonly threads: number;
  readonly groups: readonly string[];
  readonly logLevel: string;
  readonly floors: RoundFloors;
}

export const TEMPLATE_DEFAULTS: TemplateValues = {
  network: 'example',
  team: '0.0.0.0:7411',
  gateway: '0.0.0.0:7412',
  http: '127.0.0.1:7413',
  membershipFile: 'membership.toml',
  schedulerAddress: 'scheduler.example:7410',
  schedulerCertificateFile: 'scheduler.pem',
  schedulerKey: '0'.repeat(64),
  engine: 'auto',
  threads: 0,
  groups: ['MODP-4096'],
  logLevel: 'info',
  floors: SAFE_FLOORS,
};

/** A configuration file; relative paths in it are relative to the file. */
export function configTemplate(values: TemplateValues = TEMPLATE_DEFAULTS): string {
  const text = (value: unknown) => JSON.stringify(value);
  return `# Millrace node. An environment variable (MILLRACE_LOG_LEVEL) wins over this file, a flag (--set log.level=debug) over both.
# Unknown keys are refused.

# Name of the network: rounds of another network are refused.
network = ${text(values.network)}
# Written rounds live here. One node per directory.
data_dir = "data"
# Who may mix: node ids, addresses, identity keys and pinned certificates. The same file on every node.
membership_file = ${text(values.membershipFile)}

[identity]
# Created by \`millrace keys create\`; readable by the node's user only.
key_file = "identity.key"
certificate_file = "certificate.pem"
certificate_key_file = "certificate.key"

[listen]
# Team members: mutual TLS 1.3, certificates pinned to the membership list.
team = ${text(values.team)}
# Senders and receivers of messages: TLS 1.3, this node's certificate.
gateway = ${text(values.gateway)}
# /healthz /readyz /metrics /status. Keep it on loopback.
http = ${text(values.http)}
# Other names under which it may be asked for; loopback's always may.
# http_hosts = ["node.internal"]

[scheduler]
address = ${text(values.schedulerAddress)}
certificate_file = ${text(values.schedulerCertificateFile)}
# Ed25519 public key that signs rounds and updates, 64 hex digits.
key = ${text(values.schedulerKey)}
# Where the scheduler asks for a code: a file with it, readable by the node's user only.
# registration_code_file = "registration.code"

[engine]
# auto, cuda, cpu, openssl, bigint, reference, gpujs or tfjs.
name = ${text(values.engine)}
# Cores to compute on; 0 is all of them. Each has one worker for realtime and one for precomputation, which stands back for it.
threads = ${values.threads}
# Share of a card's results of which one element is computed again on the CPU: 0 to 1.
check_rate = 0.0625
# Groups this node mixes in. The first one's engine is opened at start.
groups = ${text(values.groups)}

${limitsTemplate(values)}`;
}

function limitsTemplate({ logLevel, floors }: TemplateValues): string {
  return `[floors]
# The least that this node takes part in, whatever the scheduler signs: nodes of a team, slots of a batch, distinct senders, and bits
# of the group. Below these nobody hides.
team = ${floors.team}
slots = ${floors.slots}
senders = ${floors.senders}
group_bits = ${floors.groupBits}

[limits]
# Rounds that may be open at once, and ended ones whose outputs are kept in memory.
open_rounds = 64
kept_rounds = 32
# The largest batch and width that a round may have.
slots = 65536
width = 15
# What all rounds may need together, by an estimate that is made of each before it is opened; by default half of the memory.
# memory_mib = 4096
# Senders registered at once (a KiB of memory each), and how long a key epoch lasts (at most 24 hours).
senders = 100000
epoch_hours = 24
# A team member that cannot be reached for this long is lost, and with it the round.
peer_lost_ms = 8000
# On SIGTERM the node takes no new rounds, and stops when those that take messages or mix are over, after this long at the latest.
drain_ms = 60000

[comms]
# Whether members whose release knows no session tokens (protocol 1.0) may still call: optional or required.
tokens = "optional"
# While messages are collected, connections to the team are kept at their full rate by sending as much as a batch this often,
# because Linux slows connections down that were idle for a round trip or two. 0 sends it once. Needless, and not done, where
# net.ipv4.tcp_slow_start_after_idle is 0.
keep_warm_ms = 200

[strangers]
# Senders and receivers have shares of what this node can give, by address (an IPv6 /64 is one), once more than half of it is in use.
# Behind these prefixes there are many who do not know each other, a proxy or this very machine: there each connection counts.
by_connection = ["127.0.0.0/8", "::1/128"]
# Connections to the gateway, where the process may have so many descriptors, and what all their calls may hold.
connections = 4096
memory_mib = 128

[log]
# silent, error, warn, info, debug, trace
level = ${JSON.stringify(logLevel)}
# auto is pretty on a terminal, JSON otherwise.
format = "auto"
`;
}
